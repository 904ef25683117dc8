/** `tsbridge publish` and `unpublish` on a host in memory: words, documents and exit codes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { publicationRoutes } from '../../src/admin/routes/publications.js';
import { createAdminServer } from '../../src/admin/server.js';
import { dispatch } from '../../src/cli/dispatch.js';
import { recordVersion } from '../../src/host/records/read-record.js';
import { folderOf, recordKinds } from '../../src/host/records/store-file.js';
import { Publishing } from '../../src/operator/publishing.js';
import { containerId, OperatedHost } from '../fakes/operator.js';
import { RecordingLog } from '../fakes/recording-log.js';
import { documentOf, itemOf, itemsOf } from '../process/documents.js';

const host = await new OperatedHost().start();
await host.createNetwork();
const routes = publicationRoutes(new Publishing(host.keeper, Promise.resolve()), () => 0);
const server = createAdminServer([routes], new RecordingLog());
const folder = mkdtempSync(join(tmpdir(), 'tsbridge-publish-'));
await server.app.ready();
await new Promise<void>((done) => {
  server.app.server.listen(join(folder, 'admin.sock'), done);
});
t.teardown(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

async function run(line: string, environment: Record<string, string> = {}, runtimeDir = folder) {
  const said = { out: '', err: '' };
  const args = [...line.split(' '), '--runtime-dir', runtimeDir];
  const code = await dispatch(args, {
    environment,
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
  });
  return { code, ...said };
}

const short = containerId('web').slice(0, 12);

t.test('published, listed, unpublished', async (t) => {
  // The daemon gives an endpoint up whose container has not come to life within a minute, as this one never does.
  await host.startContainer('web');
  t.match(await run('publish --list'), { code: 3, out: /^PORTS/ });
  t.strictSame(await run('publish web@shop 127.0.0.1:9229:9229', { SUDO_USER: 'jane' }), {
    code: 0,
    out:
      `published 127.0.0.1:9229/tcp -> web:9229 (shop), kept for container ${short} until it is removed\n` +
      'docker ps does not show it; tsbridge ports does\n',
    err: '',
  });
  t.match(await run('publish web 127.0.0.1:9229:9229/tcp'), {
    code: 3,
    out: /^published already: 127\.0\.0\.1:9229\/tcp/,
  });
  t.match(await run('publish web 8000-8001:80-81/udp --until-stop'), {
    code: 0,
    out: /^published 8000-8001\/udp -> web:80-81 \(shop\), kept until the container stops\n/,
  });
  t.match(await run('publish web [::1]:8080:80 --by-name'), {
    out: /^published \[::1\]:8080\/tcp -> web:80 \(shop\), kept for every container that is called web/,
  });
  const listed = await run('publish --list --json');
  t.equal(listed.code, 0);
  t.match(itemsOf(listed.out), [
    { ports: '127.0.0.1:9229:9229/tcp', asker: { uid: 0, sudoUser: 'jane' } },
    { kept: 'start', bindings: [{}, {}, {}, {}] },
    { kept: 'name', containerId: null },
  ]);
  const table = await run('publish --list web@shop');
  t.match(table.out, /127\.0\.0\.1:9229:9229\/tcp +web +shop +open +container +jane +1970/);
  t.match(await run('publish --list db'), { code: 3 });
  t.match(await run(`publish --list ${short}@other`), { code: 3 });
  const gone = await run('unpublish web 127.0.0.1:9229:9229 --json');
  t.match(itemOf(gone.out), { ports: '127.0.0.1:9229:9229/tcp' });
  t.match(await run('unpublish web --all'), {
    code: 0,
    out: 'unpublished 8000-8001/udp -> web:80-81 (shop)\nunpublished [::1]:8080/tcp -> web:80 (shop)\n',
  });
  t.match(await run('unpublish web --all'), { code: 3, out: 'nothing was published\n' });
});

t.test('what cannot be done, and what is not tried', async (t) => {
  host.host.hostPorts.foreign.set('0.0.0.0:9600/tcp', 'EADDRINUSE');
  t.match(await run('publish web 9600:80'), { code: 1, err: /9600.*in use/ });
  t.match(await run('publish web 9600:80 --if-free'), {
    code: 3,
    out: /^nothing was published: .*9600/,
  });
  t.match(await run('publish db 9601:80'), { code: 1, err: /no running container db/ });
  t.match(await run('unpublish web 9601:80'), { code: 1, err: /is not published for web/ });
  for (const line of [
    'publish',
    'publish web',
    'publish web 80',
    'publish web 9601:80 --by-name --until-stop',
    'unpublish',
    'unpublish web',
    'unpublish web 9601:80 --all',
  ]) {
    t.match(await run(line), { code: 2, out: '' }, line);
  }
  t.strictSame(host.keeper.list(), []);
});

t.test('while the daemon does not run, what is on record is listed', async (t) => {
  await run('publish web@shop 127.0.0.1:9229:9229 8080:80 --until-stop');
  const state = mkdtempSync(join(tmpdir(), 'tsbridge-records-'));
  t.teardown(() => rmSync(state, { recursive: true }));
  for (const kind of recordKinds) mkdirSync(join(state, folderOf[kind]));
  for (const { kind, id, text } of host.host.store.records.values()) {
    const record = { version: recordVersion, id, value: JSON.parse(text) };
    writeFileSync(join(state, folderOf[kind], `${id}.json`), JSON.stringify(record));
  }
  const wanted = itemsOf((await run('publish --list --json')).out);
  t.equal(wanted.length, 2);
  await run('unpublish web@shop');
  const withoutDaemon = (line: string, from = state) =>
    run(`${line} --state-dir ${from}`, {}, state);
  const { code, out } = await withoutDaemon('publish --list --json');
  t.equal(code, 0);
  const { source, warnings, items } = documentOf(out);
  t.equal(source, 'records');
  t.match(warnings, [/^these are its records: the daemon does not run/]);
  t.strictSame(items, wanted, 'also what is open, as it is on record');
  t.match(await withoutDaemon('publish --list', `${state}/none`), {
    code: 1,
    err: /listing the records/,
  });
  t.match(await withoutDaemon('publish web 9000:80'), { code: 1, err: /does not run/ });
});
