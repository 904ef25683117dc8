/** Names follow the engine, outlive its silence, and nobody waits for them. */
import t from 'tap';
import {
  type EndpointId,
  type NetworkId,
  parseContainerId,
  parseEndpointId,
  parseNetworkId,
} from '../../../src/core/names.js';
import type { Happening } from '../../../src/driver/telemetry.js';
import { NameService, type NamesFiles } from '../../../src/operator/names/name-service.js';
import { namesOf, readNamesDocument } from '../../../src/operator/names/names.js';
import { FakeClock } from '../../fakes/fake-clock.js';
import { FakeEngine } from '../../fakes/fake-engine.js';
import { id } from '../../fakes/ids.js';
import { RecordingLog } from '../../fakes/recording-log.js';

const endpoint = (digit: string) => parseEndpointId(id(digit)) as EndpointId;
const network = (digit: string) => parseNetworkId(id(digit)) as NetworkId;
const container = (digit: string) => {
  const known = parseContainerId(id(digit));
  if (known === undefined) throw new Error('no id');
  return { kind: 'container', id: known } as const;
};

class Files implements NamesFiles {
  saved: unknown;
  readonly own = new FakeEngine();
  async load(): Promise<unknown> {
    return this.saved;
  }
  async save(document: unknown): Promise<void> {
    this.saved = JSON.parse(JSON.stringify(document));
  }
  async containers() {
    return [...this.own.known.values()];
  }
}

function setUp(files = new Files()) {
  const engine = new FakeEngine();
  engine.networkNames.set(id('a'), 'app');
  engine.add(id('1'), 'web', [id('a'), id('e')]);
  const clock = new FakeClock();
  const log = new RecordingLog();
  const told: Happening[] = [];
  const telemetry = { tell: (happening: Happening) => void told.push(happening) };
  const names = new NameService(engine, files, log, clock, telemetry);
  return { engine, clock, log, files, told, names };
}

t.test('what the engine lists, and what events change', async (t) => {
  const { engine, clock, names } = setUp();
  t.match(names.current(), { from: 'none', asOf: null, stale: false });
  names.start();
  await clock.pass(0);
  const current = names.current();
  t.match(current, { from: 'docker', stale: false });
  t.match(current.containerOf(endpoint('e')), { id: id('1'), name: 'web', running: true });
  t.equal(current.networkName(network('a')), 'app');
  t.strictSame(engine.asked, ['watch', 'containers', 'networks']);

  engine.add(id('1'), 'web', [id('a')]);
  engine.add(id('2'), 'db', [id('a'), id('f')]);
  for (const digit of ['1', '2', '2']) engine.tell(container(digit));
  t.equal(current.containerOf(endpoint('f')), undefined, 'not yet');
  await clock.pass(200);
  t.match(current.containerOf(endpoint('f')), { name: 'db' });
  t.equal(current.containerOf(endpoint('e')), undefined);
  t.strictSame(engine.asked.slice(3), ['containers 2'], 'one question for a bunch of events');

  engine.known.delete(id('2'));
  engine.networkNames.set(id('b'), 'back');
  engine.tell(container('2'));
  engine.tell({ kind: 'networks' });
  await clock.pass(200);
  t.equal(current.containerOf(endpoint('f')), undefined, 'removed');
  t.equal(current.networkName(network('b')), 'back');

  for (let count = 0; count < 60; count += 1) {
    const hex = (4096 + count).toString(16);
    const known = parseContainerId(hex.repeat(16));
    if (known !== undefined) engine.tell({ kind: 'container', id: known });
  }
  engine.asked.length = 0;
  await clock.pass(200);
  t.strictSame(engine.asked, ['containers', 'networks'], 'many are read by the list');
  await clock.pass(615_000);
  t.equal(engine.asked.filter((method) => method === 'containers').length, 2, 'and now and then');
  await names.stop();
});

t.test('an engine that hangs, goes, and comes back', async (t) => {
  const { engine, clock, log, told, names } = setUp();
  names.start();
  await clock.pass(0);
  engine.silence = 'no answer within 10 s';
  await clock.pass(15_000);
  const current = names.current();
  t.match(current, { from: 'docker', stale: true });
  t.match(current.containerOf(endpoint('e')), { name: 'web' }, 'the last names stay');
  t.equal(names.problem(), 'no answer within 10 s');
  const { asOf } = current;
  engine.asked.length = 0;
  await clock.pass(120_000);
  t.equal(engine.asked.length, 7, 'it is asked after 1, 2, 4, 8, 16, 30, 30 s');
  t.equal(current.asOf, asOf, 'as of the last answer');
  engine.silence = undefined;
  engine.add(id('1'), 'renamed', [id('a'), id('e')]);
  await clock.pass(30_000);
  t.match(current, { from: 'docker', stale: false });
  t.match(current.containerOf(endpoint('e')), { name: 'renamed' });
  t.equal(names.problem(), undefined);

  engine.endEvents();
  await clock.pass(0);
  t.equal(current.stale, true, 'dockerd has ended');
  await clock.pass(1_000);
  t.equal(current.stale, false);
  t.strictSame(
    log.lines.map(({ message }) => message),
    [
      'the engine does not tell names; the last ones are kept',
      'the engine tells names again',
      'the engine does not tell names; the last ones are kept',
      'the engine tells names again',
    ],
  );
  const tells = { kind: 'names', state: 'current', text: 'the engine tells names' };
  const silent = (why: string) => {
    return { kind: 'names', state: 'stale', text: `the engine does not tell names: ${why}` };
  };
  t.strictSame(
    told,
    [
      ...[tells, silent('no answer within 10 s'), tells],
      ...[silent('it ended the list of events'), tells],
    ],
    'each silence is told once, and its end',
  );
  await names.stop();
});

t.test('names outlive the daemon', async (t) => {
  const first = setUp();
  first.names.start();
  await first.clock.pass(0);
  await first.names.stop();
  const second = setUp(first.files);
  second.engine.silence = 'nobody listens';
  second.names.start();
  await second.clock.pass(0);
  t.match(second.names.current(), { from: 'docker', stale: true });
  t.match(second.names.current().containerOf(endpoint('e')), { name: 'web' });
  const read = namesOf(readNamesDocument(JSON.parse(JSON.stringify(second.names.document()))));
  t.match(read.containerOf(endpoint('e')), { name: 'web' });
  t.equal(read.networkName(network('a')), 'app');
  await second.names.stop();
});

t.test("without an engine and without last names: the engine's files", async (t) => {
  const { engine, clock, files, names } = setUp();
  engine.silence = 'nobody listens';
  names.start();
  await clock.pass(0);
  t.match(names.current(), { from: 'none', stale: false });
  files.own.networkNames.set(id('a'), 'app');
  files.own.add(id('1'), 'web', [id('a'), id('e')]);
  await clock.pass(2_000);
  t.match(names.current(), { from: 'files', stale: true });
  t.match(names.current().containerOf(endpoint('e')), { name: 'web' });
  t.equal(names.current().networkName(network('a')), 'app');
  engine.silence = undefined;
  await clock.pass(30_000);
  t.match(names.current(), { from: 'docker', stale: false });
  await names.stop();
});

t.test('a file that cannot be read or written is no failure', async (t) => {
  const files = new Files();
  files.saved = { from: 'docker', containers: 7 };
  const { engine, clock, log, names } = setUp(files);
  files.save = async () => {
    throw new Error('ENOSPC');
  };
  names.start();
  await clock.pass(10_000);
  t.match(names.current(), { from: 'docker', stale: false });
  t.match(log.lines[0], { level: 'warn', message: 'the last names could not be read' });
  engine.tell(container('1'));
  await clock.pass(10_000);
  await names.stop();
  t.match(log.lines.at(-1), { level: 'debug', message: 'names could not be written' });
});

t.test('a stop waits for nobody', async (t) => {
  const { engine, clock, names } = setUp();
  names.start();
  await clock.pass(0);
  engine.tell(container('1'));
  await clock.pass(100);
  await names.stop();
  const never = setUp();
  never.engine.before = () =>
    new Promise((_, reject) => {
      never.engine.close = () => reject(new Error('the daemon stops'));
    });
  never.names.start();
  await never.clock.pass(0);
  await never.names.stop();
  t.equal(never.names.current().from, 'none');
  t.ok(engine.asked.length >= 3);
});
