/** What watches from outside of the process: children that are kept, and rules that are read again. */
import t from 'tap';
import { RulePoll } from '../../src/host/iptables/rule-poll.js';
import { parseLinkLine } from '../../src/host/monitor.js';
import { KeptChild } from '../../src/host/process/kept-child.js';
import { RecordingLog } from '../fakes/recording-log.js';

/** Resolves when it is called so often. */
function counter() {
  let count = 0;
  const waiting: { at: number; done: () => void }[] = [];
  return {
    hit: () => {
      count += 1;
      for (const { at, done } of waiting) if (count >= at) done();
    },
    reached: (at: number) =>
      new Promise<void>((done) => {
        if (count >= at) done();
        else waiting.push({ at, done });
      }),
    get count() {
      return count;
    },
  };
}

t.test('a monitor that ends is started again', async (t) => {
  const log = new RecordingLog();
  const lines: string[] = [];
  const lost = counter();
  const gaps = counter();
  const events = {
    line: (text: string) => void lines.push(text),
    lostTrack: lost.hit,
    gap: gaps.hit,
  };
  const child = new KeptChild('sh', ['-c', 'echo one; echo two; exit 3'], events, log);
  t.equal(child.missing, 'sh', 'not started yet');
  child.start();
  await lost.reached(2);
  child.stop();
  t.strictSame(lines.slice(0, 4), ['one', 'two', 'one', 'two']);
  t.ok(gaps.count >= 2, 'an end is a gap, a start is not');
  t.match(log.lines[0], {
    level: 'warn',
    message: 'monitor ended',
    fields: { program: 'sh', error: /exit code 3/, restartMs: 200 },
  });
  t.match(log.lines[1], { fields: { restartMs: 400 } }, 'less and less often');
});

t.test('what it complains of means that something was missed', async (t) => {
  const lost = counter();
  const events = { line: () => {}, lostTrack: lost.hit };
  const command = 'echo "netlink receive error No buffer space available" >&2; exec sleep 60';
  const child = new KeptChild('sh', ['-c', command], events, new RecordingLog());
  child.start();
  await lost.reached(1);
  t.equal(child.missing, undefined);
  await lost.reached(2);
  t.pass('and so does the time before it listened');
  child.stop();
});

t.test('not every error of a monitor means that events are lost', async (t) => {
  const lost = counter();
  const gaps = counter();
  const events = { line: () => {}, lostTrack: lost.hit, gap: gaps.hit, harmless: /^XT / };
  const command = 'echo "XT target DNAT not found" >&2; echo "No buffer space" >&2; exec sleep 60';
  const child = new KeptChild('sh', ['-c', command], events, new RecordingLog());
  child.start();
  await lost.reached(2);
  child.stop();
  t.equal(gaps.count, 1, 'the second line; a start is none');
});

t.test('a monitor whose program is missing is reported as missing', async (t) => {
  const log = new RecordingLog();
  const lost = counter();
  const events = { line: () => {}, lostTrack: lost.hit };
  const child = new KeptChild('/nonexistent/nft', ['monitor'], events, log);
  child.start();
  await lost.reached(1);
  t.equal(child.missing, '/nonexistent/nft');
  child.stop();
  t.match(log.lines[0], { fields: { error: /ENOENT/ } });
});

t.test('rules that are read again and again', async (t) => {
  const log = new RecordingLog();
  const rules: Record<4 | 6, string> = { 4: 'a', 6: 'b' };
  const reads = counter();
  let clock = 0;
  const firewall = {
    supports: () => true,
    read: async (family: 4 | 6) => {
      reads.hit();
      clock += 1;
      if (rules[family] === 'broken') throw new Error('no memory');
      return `# Generated at ${clock}\n:INPUT ACCEPT [${clock}:${clock}]\n${rules[family]}\n`;
    },
  };
  const seen = counter();
  const poll = new RulePoll(firewall, seen.hit, log);
  poll.start();
  await reads.reached(4);
  t.equal(seen.count, 0, 'comments and counters are no change');
  rules[6] = 'c';
  await seen.reached(1);
  rules[4] = 'd';
  await seen.reached(2);
  rules[4] = 'broken';
  const so = reads.count;
  await reads.reached(so + 3);
  t.equal(seen.count, 2, 'what cannot be read is no change');
  t.match(log.lines[0], { level: 'warn', fields: { error: 'no memory' } });
  rules[4] = 'e';
  await seen.reached(3);
  poll.stop();
});

t.test('lines of ip monitor are parsed to the links that changed', async (t) => {
  for (const [line, name] of [
    ['12: veth1@if11: <BROADCAST,UP> mtu 1500', 'veth1'],
    ['Deleted 3: br-0    inet 10.5.0.1/24 scope global br-0', 'br-0'],
    ['4: br-a: <BROADCAST,MULTICAST,UP> mtu 1500', 'br-a'],
    ['    link/ether 02:42:00:00:00:00', undefined],
    ['', undefined],
  ] as const) {
    t.equal(parseLinkLine(line), name, line);
  }
});
