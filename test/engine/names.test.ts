/**
 * What the engine is asked for: names, with an engine that runs, hangs, ends and is absent; and what it has
 * forgotten, with a daemon that is killed at any moment of a creation.
 */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { NamesDocument } from '../../src/operator/names/names.js';
import type { Status } from '../../src/operator/status.js';
import { UnixHttp } from '../lab/http.js';
import { ADDRESSES, Lab } from '../lab/lab.js';
import { CommandError, NODE, until } from '../lab/process.js';
import { SUITES } from '../lab/suites.js';
import { documentOf, itemOf } from '../process/documents.js';

/** Moments at which the daemon is killed, in milliseconds after the command has begun. */
const moments = [0, 60, 90, 120, 150, 180, 210, 240, 280, 330];

/** What the daemon tells; undefined if it does not listen. */
async function names(lab: Lab): Promise<NamesDocument | undefined> {
  const http = new UnixHttp(lab.path('/run/tsbridge/admin.sock'));
  try {
    return await http.call<NamesDocument>('GET', '/v1/names');
  } catch {
    return undefined;
  } finally {
    http.close();
  }
}

const namesUntil = (lab: Lab, what: string, right: (document: NamesDocument) => boolean) =>
  until(
    what,
    async () => {
      const document = await names(lab);
      return document !== undefined && right(document) ? document : undefined;
    },
    90_000,
  );
const called = (name: string) => (document: NamesDocument) =>
  document.containers.some((each) => each.name === name && each.endpoints.length > 0);

/** What the command prints, also if it ends with 3. */
async function tsbridge(lab: Lab, ...args: string[]): Promise<string> {
  const command = [...NODE, '/opt/tsbridge/dist/main.js', ...args, '--json'];
  return lab.exec(command, 'host', { timeoutMs: 120_000 }).catch((error) => {
    if (error instanceof CommandError && error.status === 3) return error.stdout;
    throw error;
  });
}

const status = async (lab: Lab) => itemOf<Status>(await tsbridge(lab, 'status'));
const recordsOf = (lab: Lab, kind: 'networks' | 'endpoints') =>
  readdirSync(lab.path(`/var/lib/tsbridge/${kind}`))
    .map((name) => name.replace('.json', ''))
    .sort();
const listed = async (lab: Lab) => {
  const ids = await lab.docker('network', 'ls', '-q', '--no-trunc', '-f', 'driver=tsbridge');
  return ids.split('\n').filter(Boolean).sort();
};

for (const [version, suite] of Object.entries(SUITES)) {
  if (version === '26.1') continue;
  t.test(`Docker ${version}`, async (t) => {
    const lab = await Lab.create({ suite });
    t.teardown(() => lab.dispose());
    t.teardown(() => {
      if (!t.passing()) lab.printLogs();
    });
    await lab.spawnTsbridge();
    const before = await lab.snapshot();
    await lab.docker('network', 'create', '-d', 'tsbridge', 'app');
    const ports = { publish: ['8080:80'], serve: ['tcp/80'] };
    await lab.run({ name: 'web', network: 'app', ...ports });

    await t.test('names follow the engine', async (t) => {
      const document = await namesUntil(lab, 'the name of a container', called('web'));
      t.match(document, { from: 'docker', stale: false });
      const [id] = await listed(lab);
      t.ok(document.networks.some((each) => each.id === id && each.name === 'app'));
      await lab.docker('rename', 'web', 'shop');
      await namesUntil(lab, 'the new name', called('shop'));
      await lab.docker('stop', 'shop');
      await namesUntil(lab, 'the end of the container', (now) => !called('shop')(now));
      await lab.docker('start', 'shop');
      await lab.listening('shop');
      await namesUntil(lab, 'its return', called('shop'));
    });

    await t.test('a bundle for a ticket', async (t) => {
      const secret = 'S3cret-9f2c';
      const planted = ['--label', `token=${secret}`, '-e', `PASSWORD=${secret}`];
      await lab.docker('run', '-d', '--name=vault', '--network=app', ...planted, 'busybox');
      await lab.hostNs('iptables', '-A', 'INPUT', '-m', 'comment', '--comment', secret);
      await namesUntil(lab, 'the name of the container', called('vault'));
      for (const more of [[], ['--anonymise']]) {
        const path = `/tmp/bundle${more.length}.tar.gz`;
        const shown = documentOf(await tsbridge(lab, 'diags', '--out', path, ...more));
        t.strictSame(shown.warnings, []);
        t.equal(statSync(lab.path(path)).mode & 0o777, 0o600);
        const tar = gunzipSync(readFileSync(lab.path(path)));
        t.equal(tar.subarray(0, 13).toString(), 'manifest.json', 'first');
        t.notOk(tar.includes(secret), 'no secret');
        t.equal(tar.includes('"vault"'), more.length === 0);
        for (const kept of [
          '172.18.0.0/16',
          '"tsbridge_networks"',
          '"NetworkDriver.CreateNetwork"',
        ]) {
          t.ok(tar.includes(kept), kept);
        }
        rmSync(lab.path(path));
      }
      const preview = documentOf(await tsbridge(lab, 'diags', '--preview'));
      t.match(preview, { path: null });
      await lab.hostNs('iptables', '-D', 'INPUT', '-m', 'comment', '--comment', secret);
      await lab.docker('rm', '-f', 'vault');
    });

    await t.test('an engine that hangs, and a daemon that starts meanwhile', async (t) => {
      await lab.engine.process.freeze();
      const stale = await namesUntil(lab, 'names to be stale', (now) => now.stale);
      t.ok(called('shop')(stale), 'the last names stay');
      await lab.killTsbridge('SIGKILL');
      const daemon = await lab.spawnTsbridge();
      await daemon.call('Plugin.Activate');
      t.match(await status(lab), { state: 'serving', names: { from: 'docker', stale: true } });
      t.ok(called('shop')(await namesUntil(lab, 'the last names', (now) => now.stale)));
      await lab.engine.process.thaw();
      const again = await namesUntil(lab, 'names anew', (now) => !now.stale);
      t.ok(called('shop')(again));
    });

    await t.test('kill -9 of the daemon at any moment of docker network create', async (t) => {
      for (const [index, moment] of moments.entries()) {
        const creating = lab.docker('network', 'create', '-d', 'tsbridge', `crash${index}`);
        creating.catch(() => undefined);
        await sleep(moment);
        await lab.killTsbridge('SIGKILL');
        await lab.spawnTsbridge();
        await creating.catch(() => undefined);
      }
      // One for certain: the engine removes a network whose driver does not answer, and forgets it.
      await lab.docker('network', 'create', '-d', 'tsbridge', 'gone');
      await lab.killTsbridge('SIGKILL');
      await lab.docker('network', 'rm', 'gone');
      await lab.spawnTsbridge();
      const known = await listed(lab);
      const lost = recordsOf(lab, 'networks').filter((id) => !known.includes(id));
      t.comment(`${known.length - 1} of ${moments.length} made, ${lost.length} forgotten`);
      t.not(lost.length, 0);
      await until(
        'status to show what is forgotten',
        async () => (await status(lab)).forgotten.length === lost.length || undefined,
        90_000,
      );
      // The engine has to have run for a minute.
      await until('proof', () => tsbridge(lab, 'gc').catch(() => undefined), 120_000);
      const shown = documentOf(await tsbridge(lab, 'gc'));
      t.strictSame(shown.items.map((each) => (each as { id: string }).id).sort(), lost);
      t.strictSame(recordsOf(lab, 'networks'), [...known, ...lost].sort(), 'only shown so far');
      const gone = documentOf(await tsbridge(lab, 'gc', '--yes'));
      t.equal(gone.items.length, lost.length);
      t.strictSame(gone.warnings, []);
      t.strictSame(recordsOf(lab, 'networks'), known, 'what the engine knows, and nothing else');
      const links = await lab.hostNs('ip', '-o', 'link', 'show', 'type', 'bridge');
      const bridges = links.match(/\bbr-[0-9a-f]{12}(?=:)/g) ?? [];
      t.strictSame(bridges.sort(), known.map((id) => `br-${id.slice(0, 12)}`).sort());
      t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, 'others are as before');
      for (const id of known) {
        if (id !== (await lab.docker('network', 'inspect', '-f', '{{.Id}}', 'app'))) {
          await lab.docker('network', 'rm', id);
        }
      }
    });

    await t.test('an endpoint whose removal never reached the daemon', async (t) => {
      await lab.run({ name: 'lost', network: 'app', publish: ['8081:80'], serve: ['tcp/80'] });
      const endpoint = (await lab.api<Attached>('GET', '/containers/lost/json')).NetworkSettings
        .Networks.app?.EndpointID;
      await namesUntil(lab, 'its name', called('lost'));
      await lab.killTsbridge('SIGKILL');
      await lab.docker('rm', '-f', 'lost');
      await lab.spawnTsbridge();
      const held = recordsOf(lab, 'endpoints');
      t.comment(`${held.length} endpoints on record`);
      if (held.length === 2) {
        // The engine must not have listed it for a minute.
        const gone = await until(
          'the endpoint to go',
          async () => {
            const told = await tsbridge(lab, 'gc', '--yes').catch(() => undefined);
            if (told === undefined) return undefined;
            const { items, warnings } = documentOf(told);
            for (const line of warnings) t.comment(line);
            return items.length > 0 ? items : undefined;
          },
          150_000,
        );
        t.equal(recordsOf(lab, 'endpoints').length, 1, 'its record is gone when gc answers');
        t.match(gone, [{ kind: 'endpoint', id: endpoint, ports: ['8081/tcp'] }]);
      }
      await until('the record of the other container alone', () =>
        recordsOf(lab, 'endpoints').length === 1 ? true : undefined,
      );
      await lab.run({ name: 'heir', network: 'app', publish: ['8081:80'], serve: ['tcp/80'] });
      t.match(await lab.ask('lan', ADDRESSES.host, 8081), { name: 'heir' });
      await lab.docker('rm', '-f', 'heir');
    });

    await t.test('an engine that ends, and is absent at a start', async (t) => {
      await lab.killDockerd('SIGKILL');
      const stale = await namesUntil(lab, 'names to be stale', (now) => now.stale);
      t.ok(called('shop')(stale));
      await t.rejects(tsbridge(lab, 'gc', '--yes'), /status 1/, 'silence proves nothing');
      await lab.killTsbridge('SIGTERM');
      rmSync(lab.path('/run/tsbridge/names.json'));
      await lab.spawnTsbridge();
      const files = await namesUntil(lab, 'the names of files', (now) => now.from === 'files');
      t.ok(called('shop')(files));
      t.ok(files.networks.some(({ name }) => name === 'app'));
      await lab.startDockerd();
      await t.rejects(tsbridge(lab, 'gc', '--yes'), /for \d+ s only/, 'nor does a fresh start');
    });

    await t.test('an engine that is never asked', async (t) => {
      await lab.killTsbridge('SIGTERM');
      await lab.spawnTsbridge(['--docker-socket=none']);
      const none = await namesUntil(lab, 'no names', (now) => now.from === 'none');
      t.strictSame(none.containers, []);
      await t.rejects(tsbridge(lab, 'gc'), /may not ask the engine/);
      await lab.killTsbridge('SIGTERM');
      await lab.spawnTsbridge();
    });

    await lab.docker('rm', '-f', 'shop');
    await lab.docker('network', 'rm', 'app');
    t.strictSame(await lab.leftovers(before), [], 'nothing is left');
  });
}

interface Attached {
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly EndpointID: string } | undefined>>;
  };
}
