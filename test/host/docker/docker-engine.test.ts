/** How the engine is asked, against a socket that answers rightly, wrongly, late or not at all. */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parseContainerId } from '../../../src/core/names.js';
import { EngineSilent } from '../../../src/driver/engine.js';
import { DockerEngine } from '../../../src/host/docker/docker-engine.js';
import { defaultLimits } from '../../../src/host/docker/docker-socket.js';
import { DockerApi } from '../../fakes/docker-api.js';
import { id } from '../../fakes/ids.js';

/** Long enough for a host that is busy. */
const limits = { ...defaultLimits, timeoutMs: 30_000, bodyBytes: 256 << 10 };
const json = { 'content-type': 'application/json' };
const container = (digit: string, more = {}) => ({
  ...{ Id: id(digit), Names: [`/c${digit}`], State: 'running', Labels: {} },
  NetworkSettings: { Networks: {} },
  ...more,
});

async function start(t: Tap): Promise<{ api: DockerApi; engine: DockerEngine }> {
  const api = await DockerApi.start();
  const engine = new DockerEngine(api.path, undefined, limits);
  t.teardown(async () => {
    engine.close();
    await api.close();
  });
  return { api, engine };
}
type Tap = { teardown(done: () => Promise<void>): void };

t.test('lists, by the version that the engine says', async (t) => {
  const { api, engine } = await start(t);
  api.json('/containers/json', [container('1'), container('2')]);
  api.json('/networks', [
    { Id: id('a'), Name: 'app', Scope: 'local' },
    { Id: 'x0h8zbj3mhwpvj2fl2vzfx1pi', Name: 'ingress', Scope: 'swarm' },
  ]);
  api.json(`/containers/${id('1')}/json`, { State: { Pid: 4711 } });
  t.strictSame(
    (await engine.containers()).map(({ name }) => name),
    ['c1', 'c2'],
  );
  const one = parseContainerId(id('1'));
  if (one === undefined) throw new Error('no id');
  await engine.containers([one]);
  t.strictSame(
    (await engine.networks()).map(({ name }) => name),
    ['app', 'ingress'],
  );
  t.equal(await engine.pidOf(one), 4711);
  t.strictSame(api.asked, [
    'GET /_ping',
    'GET /v1.41/containers/json?all=1',
    `GET /v1.41/containers/json?all=1&filters={"id":["${id('1')}"]}`,
    'GET /v1.41/networks',
    `GET /v1.41/containers/${id('1')}/json`,
  ]);
});

t.test('one question at a time, and no more than a few wait', async (t) => {
  const { api, engine } = await start(t);
  api.json('/networks', []);
  await Promise.all(Array.from({ length: 8 }, () => engine.networks()));
  t.equal(api.most, 1);
  const many = Array.from({ length: 40 }, () => engine.ping());
  const results = await Promise.allSettled(many);
  const refused = results.filter(({ status }) => status === 'rejected');
  t.equal(refused.length, 40 - limits.waiting);
  t.match(refused[0], { reason: /too many questions/ });
  const answered = 1 + 8 + limits.waiting;
  t.strictSame(engine.questions, { answered, failed: 0, lastAnswered: true });
});

t.test('what is no whole answer is none', async (t) => {
  const { api, engine } = await start(t);
  const answers: Record<string, [(response: ServerResponse) => void, RegExp]> = {
    refused: [
      (response) => response.writeHead(400).end('{"message":"client version 1.41 is too old"}'),
      /status 400: .*too old/,
    ],
    'not JSON': [
      (response) => response.writeHead(200, json).end('[{"Id": nonsense'),
      /nonsense|Unexpected/i,
    ],
    'cut in an object': [
      (response) => response.writeHead(200, json).end('[{"Id": "x"'),
      /no whole/,
    ],
    'cut between two': [
      (response) =>
        response.writeHead(200, json).end(JSON.stringify([container('1')]).slice(0, -1)),
      /no whole/,
    ],
    'shorter than announced': [
      (response) => {
        response.writeHead(200, { ...json, 'content-length': '999' });
        response.write('[]');
        setTimeout(() => response.destroy(), 20);
      },
      /aborted|cut off/,
    ],
    empty: [(response) => response.writeHead(200, json).end(' '), /no whole/],
    'half an entry': [
      (response) =>
        response.writeHead(200, json).end(JSON.stringify([container('1', { Id: '1' })])),
      /Id should be/,
    ],
    'too long': [
      (response) => {
        response.writeHead(200, json);
        response.write('[');
        const part = `${JSON.stringify(container('1'))},`.repeat(2_000);
        const more = () => {
          if (response.write(part)) setImmediate(more);
        };
        response.on('drain', more).on('error', () => undefined);
        more();
      },
      /longer than 262144 bytes/,
    ],
  };
  for (const [what, [answer, message]] of Object.entries(answers)) {
    api.on('/containers/json', answer);
    await t.rejects(engine.containers(), { name: 'EngineSilent', message }, what);
  }
  api.json('/containers/json', []);
  t.strictSame(await engine.containers(), [], 'and the next one counts again');
});

t.test('an engine that hangs before or in its answer', async (t) => {
  const { api } = await start(t);
  const hasty = new DockerEngine(api.path, undefined, { ...limits, timeoutMs: 1_000 });
  const late = { name: 'EngineSilent', message: /no answer within 1 s/ };
  api.on('/_ping', () => undefined);
  await t.rejects(hasty.ping(), late);
  api.json('/_ping', 'OK');
  api.on('/networks', (response) => void response.writeHead(200, json).write('['));
  await t.rejects(hasty.networks(), late);
  api.on('/events', () => undefined);
  await t.rejects(
    hasty.watch(() => undefined),
    late,
  );
});

t.test('a socket that speaks something else, or is not there', async (t) => {
  const { api, engine } = await start(t);
  api.on('/_ping', (response) => response.writeHead(200).end('OK'));
  await t.rejects(engine.containers(), /says no version/);
  const absent = new DockerEngine(`${api.path}.not`, undefined, limits);
  await t.rejects(absent.ping(), /ENOENT|no such file/);
});

t.test('a list of five thousand hold nobody up', async (t) => {
  const { api } = await start(t);
  const labels = Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`l${n}`, 'x'.repeat(20)]));
  api.json(
    '/containers/json',
    Array.from({ length: 5_000 }, () => container('1', { Labels: labels })),
  );
  let turns = 0;
  const beat = setInterval(() => {
    turns += 1;
  }, 1);
  const patient = new DockerEngine(api.path, undefined, { ...limits, bodyBytes: 64 << 20 });
  t.equal((await patient.containers()).length, 5_000);
  clearInterval(beat);
  t.ok(turns > 10, `${turns} turns of others`);
});

t.test('events, until the engine or we end', async (t) => {
  const { api, engine } = await start(t);
  const streams: ServerResponse[] = [];
  api.on('/events', (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    streams.push(response);
  });
  const event = (kind: string, digit: string) =>
    JSON.stringify({ Type: kind, Actor: { ID: id(digit), Attributes: {} } });
  const seen: unknown[] = [];
  const watch = await engine.watch((event) => seen.push(event));
  const text = `${event('container', '1')}\n${event('image', '2')}\n${event('network', '3')}\n`;
  streams[0]?.write(text.slice(0, 30));
  await sleep(30);
  streams[0]?.write(text.slice(30));
  api.json('/networks', []);
  await engine.networks();
  while (seen.length < 2) await sleep(5);
  t.strictSame(seen, [{ kind: 'container', id: id('1') }, { kind: 'networks' }]);
  streams[0]?.end();
  await watch.ended;

  const second = await engine.watch(() => undefined);
  streams[1]?.write('no JSON\n');
  await second.ended;
  const third = await engine.watch(() => undefined);
  third.close();
  await third.ended;
  const fourth = await engine.watch(() => undefined);
  engine.close();
  await fourth.ended;
  await t.rejects(engine.ping(), EngineSilent);
  t.ok(api.asked.every((line) => line.startsWith('GET ')));
});
