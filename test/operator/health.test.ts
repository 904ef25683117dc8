/** Who has to answer before systemd is told that all is well, and what is told of what got worse. */
import t from 'tap';
import type { Happening } from '../../src/driver/telemetry.js';
import { Health, type HealthParts } from '../../src/operator/health.js';
import type { Problem } from '../../src/operator/problems.js';
import { RecordingLog } from '../fakes/recording-log.js';

/** The loop's own timers keep no process alive. */
const alive = setInterval(() => undefined, 1_000);
t.teardown(() => clearInterval(alive));

const silent: Problem = { reason: 'proxy-silent', text: 'process 7 does not answer' };
const lost: Problem = { reason: 'proxy-lost', text: 'it is gone' };

function setUp(parts: Partial<HealthParts> = {}) {
  const told: Happening[] = [];
  const beats: number[] = [];
  const log = new RecordingLog();
  const now = { problems: [] as Problem[] };
  const health = new Health(
    {
      askKernel: async () => undefined,
      problems: async () => now.problems,
      state: () => 'serving',
      isLocked: async () => true,
      heartbeat: () => void beats.push(1),
      telemetry: { tell: (happening) => void told.push(happening) },
      log,
      ...parts,
    },
    { periodMs: 5, againMs: 1, netlinkMs: 20 },
  );
  return { health, told, beats, now, log };
}

t.test('the watchdog is fed after the kernel and the proxy have answered', async (t) => {
  const { health, beats, now } = setUp();
  t.equal(await health.round(), true);
  t.equal(beats.length, 1);
  now.problems = [silent];
  t.equal(await health.round(), false);
  t.equal(beats.length, 1);
  now.problems = [lost];
  t.equal(await health.round(), true, 'a process that does not run has nothing to answer');
  t.equal(beats.length, 2);
});

t.test('a kernel that says nothing, or an error', async (t) => {
  for (const askKernel of [
    () => new Promise(() => {}),
    () => Promise.reject(new Error('no answer after 10 s (ETIMEDOUT)')),
  ]) {
    const { health, beats, told } = setUp({ askKernel });
    t.equal(await health.round(), false);
    t.strictSame(beats, []);
    t.match(told, [{ kind: 'degraded', reason: 'netlink-silent', text: /answer/ }]);
    t.match(await health.live(), { ok: false, checks: [{ name: 'netlink', ok: false }] });
  }
});

t.test('what gets worse and better is told once', async (t) => {
  const { health, told, now } = setUp();
  now.problems = [silent];
  await health.round();
  await health.round();
  now.problems = [silent, lost];
  await health.round();
  now.problems = [];
  await health.round();
  t.strictSame(told, [
    { kind: 'degraded', ...silent },
    { kind: 'degraded', ...lost },
    { kind: 'recovered', ...silent },
    { kind: 'recovered', ...lost },
  ]);
});

t.test('ready says what is missing', async (t) => {
  t.match(await setUp().health.ready(), { ok: true });
  const checks = async (parts: Partial<HealthParts>) => {
    const report = await setUp(parts).health.ready();
    t.equal(report.ok, false);
    return report.checks.filter(({ ok }) => !ok).map(({ name, text }) => `${name}: ${text}`);
  };
  t.strictSame(await checks({ state: () => 'recovering' }), ['state: recovering']);
  t.match(await checks({ isLocked: async () => false }), [/^records: the lock/]);
  t.strictSame(await checks({ problems: async () => [silent] }), [`proxy: ${silent.text}`]);
});

t.test('the loop goes on past failures, until it is stopped', async (t) => {
  let asked = 0;
  const { health, log, told } = setUp({
    problems: async () => {
      asked += 1;
      if (asked === 2) throw new Error('EMFILE');
      return [];
    },
    heartbeat: () => {
      throw new Error('ENOENT');
    },
  });
  health.start();
  while (asked < 4) await new Promise((resolve) => setTimeout(resolve, 2));
  health.stop();
  const before = asked;
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(asked <= before + 1);
  t.match(told, [{ kind: 'degraded', text: /EMFILE/ }, { kind: 'recovered' }]);
  t.match(log.lines[0], { level: 'warn', fields: { error: 'ENOENT' } });
});
