/**
 * `tsbridge publish`: ports of a running container, with real connections; over restarts of the container, the
 * engine, the daemon and the host, until the container is removed. On the oldest and the newest engine.
 */
import type { PublicationDocument, PublishAnswer } from '../../src/operator/publishing.js';
import { DRIVER, labTest, SKIP_BUILT_IN, type Test } from '../lab/fixture.js';
import { UnixHttp } from '../lab/http.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { losePower } from '../lab/power-loss.js';
import { NODE, until } from '../lab/process.js';
import { SUITES } from '../lab/suites.js';

const serve = ['tcp/80', 'tcp/9229', 'udp/53'] as const;
const ports = ['9000:9229', '5353:53/udp'];

/** The operators' socket, asked by root. */
async function ask<T>(lab: Lab, method: string, path: string, body?: unknown): Promise<T> {
  const http = new UnixHttp(lab.path('/run/tsbridge/admin.sock'));
  try {
    return await http.call<T>(method, path, body);
  } finally {
    http.close();
  }
}

const publish = (lab: Lab, container: string, words: readonly string[], kept = 'container') =>
  ask<PublishAnswer>(lab, 'POST', '/v1/publish', { container, ports: words, kept, ifFree: false });

const list = async (lab: Lab) =>
  (await ask<{ publications: PublicationDocument[] }>(lab, 'GET', '/v1/publications')).publications;

const states = async (lab: Lab) => (await list(lab)).map(({ state }) => state);

/** Whatever happened: all ports are open again. */
async function open(lab: Lab): Promise<void> {
  await until('the published ports to be open', async () => {
    const now = await states(lab);
    return (now.length > 0 && now.every((state) => state === 'open')) || undefined;
  });
}

/** Every way to the published ports. */
async function reach(t: Test, lab: Lab, when: string): Promise<void> {
  const udp = { proto: 'udp' } as const;
  t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'web' }, `tcp ${when}`);
  t.match(await lab.ask('lan', ADDRESSES.host, 5353, udp), { name: 'web' }, `udp ${when}`);
  t.match(await lab.ask('host', '127.0.0.1', 9000), { name: 'web' }, `127.0.0.1 ${when}`);
  t.match(await lab.askIn('client', ADDRESSES.host, 9000), { name: 'web' }, `sibling ${when}`);
  t.match(await lab.askIn('web', ADDRESSES.host, 9000), { name: 'web' }, `itself ${when}`);
}

/** Rules and sockets, without what differs from one start of a container to the next. */
async function effect(lab: Lab) {
  const { sockets } = await lab.snapshot();
  const rules = [...(await lab.saveRules(4)), ...(await lab.saveRules(6))];
  return { rules: rules.filter((rule) => rule.startsWith('-A')).sort(), sockets };
}

/** The command line, on the host of the lab. */
async function tsbridge(lab: Lab, ...args: string[]) {
  const script = '"$@" 2>&1; echo "exit $?"';
  const command = [...NODE, '/opt/tsbridge/dist/main.js', ...args];
  return lab.exec(['sh', '-c', script, 'sh', ...command]);
}

/** What people type, and what they are told. */
async function commands(t: Test, lab: Lab): Promise<void> {
  const say = async (...args: string[]) => {
    const said = await tsbridge(lab, ...args);
    t.comment(`$ tsbridge ${args.join(' ')}\n${said}`);
    return said;
  };
  const word = '127.0.0.1:9230:9229';
  t.match(
    await say('publish', 'web', word),
    /^published 127\.0\.0\.1:9230\/tcp -> web:9229 \(app\).*exit 0/s,
  );
  t.match(await lab.ask('host', '127.0.0.1', 9230), { name: 'web' }, 'by command');
  t.match(await say('publish', 'web', word), /^published already.*exit 3/s);
  t.match(
    await say('publish', 'client', '9000:80'),
    /port 9000 is published by "tsbridge publish" for container web.*exit 1/s,
  );
  t.match(
    await say('publish', '--list'),
    /^PORTS .*127\.0\.0\.1:9230:9229\/tcp +web +app +open.*exit 0/s,
  );
  t.match(await say('ports'), /operator/);
  t.match(
    await say('unpublish', 'web', word),
    /^unpublished 127\.0\.0\.1:9230\/tcp -> web:9229.*exit 0/s,
  );
  await t.rejects(lab.ask('host', '127.0.0.1', 9230), 'and by command no more');
}

for (const version of ['20.10', '28.5'] as const) {
  const options = { skip: SKIP_BUILT_IN, suite: SUITES[version] } as const;
  labTest(`published beside the engine, on ${version}`, options, async (t, lab) => {
    await lab.docker('network', 'create', '-d', DRIVER, 'app');
    await lab.run({ name: 'client', network: 'app' });
    const web = { name: 'web', network: 'app', serve };

    await lab.run({ ...web, publish: ports });
    const byEngine = await effect(lab);
    await lab.docker('rm', '-f', 'web');
    const without = await effect(lab);
    await lab.run(web);
    const answer = await publish(lab, 'web', ports);
    t.match(answer, { already: false, published: [{ state: 'open', asker: { uid: 0 } }, {}] });
    t.strictSame(await effect(lab), byEngine, 'rules and sockets are those of -p');
    await reach(t, lab, 'when published');
    t.match(await publish(lab, 'web', ports), { already: true });
    await commands(t, lab);

    await lab.docker('restart', 'web');
    await lab.listening('web');
    await open(lab);
    await reach(t, lab, 'after a restart of the container');
    await lab.killTsbridge('SIGKILL');
    await reach(t, lab, 'while the daemon is down');
    await lab.spawnTsbridge();
    t.strictSame(await effect(lab), byEngine, 'and is as it was when it is back');
    await reach(t, lab, 'after a restart of the daemon');
    await lab.restartDockerd();
    t.strictSame(await states(lab), ['waiting', 'waiting']);
    await lab.docker('start', 'client', 'web');
    await lab.listening('web');
    await open(lab);
    await reach(t, lab, 'after a restart of the engine');
    await losePower(lab);
    await lab.spawnTsbridge();
    await lab.startDockerd();
    await lab.docker('start', 'client', 'web');
    await lab.listening('web');
    await open(lab);
    await reach(t, lab, 'after a reboot');

    await lab.docker('rm', '-f', 'client');
    await t.rejects(
      lab.run({ name: 'client', network: 'app', publish: ['9000:80'] }),
      /by "tsbridge publish" for container web since .*free it with "tsbridge unpublish web@app/,
      'the engine is told who has the port',
    );
    await lab.docker('rm', '-f', 'client');
    await t.rejects(publish(lab, 'web', ['9001:80', '5353:80/udp']), /is published by/);
    t.equal((await list(lab)).length, 2, 'what is refused changes nothing');

    // A port that is taken while the container does not run.
    await lab.docker('stop', 'web');
    await lab.run({ name: 'other', network: 'app', publish: ['9000:80'] });
    await lab.docker('start', 'web');
    await until(
      'the taken port to be noticed',
      async () =>
        (await list(lab)).some(({ reason }) => /9000 is published by other/.test(reason ?? '')) ||
        undefined,
    );
    await lab.docker('rm', '-f', 'other');
    await lab.listening('web');
    await open(lab);
    t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'web' }, 'open when it is free');

    await lab.docker('rm', '-f', 'web');
    const gone = async () => (await list(lab)).length === 0 || undefined;
    // Two answers of the engine, 10 s apart.
    await until('the publications to go with the container', gone, 40_000);

    // As docker compose up --force-recreate: the new one is there before the old one has gone.
    await lab.run(web);
    await publish(lab, 'web', ['9000:80'], 'name');
    await lab.docker('rename', 'web', 'old_web');
    await lab.run(web);
    await lab.docker('rm', '-f', 'old_web');
    await until(
      'the port to move',
      async () => (await lab.ask('lan', ADDRESSES.host, 9000).catch(() => undefined)) && true,
    );
    await ask(lab, 'POST', '/v1/unpublish', { container: 'web' });
    await lab.docker('rm', '-f', 'web');
    t.strictSame((await effect(lab)).sockets, without.sockets);
    await lab.docker('network', 'rm', 'app');
  });
}
