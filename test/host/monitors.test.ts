/** What watches: listeners to the kernel, which are opened again, and rules that are read again. */
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { RulePoll } from '../../src/host/iptables/rule-poll.js';
import { EventListener } from '../../src/host/netlink/socket/event-listener.js';
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

const source = { protocol: 12, groups: [7], filters: [] };

function fakeReader() {
  const [read, gaps, lost] = [counter(), counter(), counter()];
  return { read: read.hit, gap: gaps.hit, lostTrack: lost.hit, counts: { read, gaps, lost } };
}

/** A stream that Node reads as it does a socket of netlink. */
const fakeStream = () => new PassThrough() as unknown as Socket;

t.test('a listener that ends is opened again', async (t) => {
  const log = new RecordingLog();
  const reader = fakeReader();
  const streams: Socket[] = [];
  const open = () => {
    const stream = fakeStream();
    streams.push(stream);
    return stream;
  };
  const listener = new EventListener('changes of rules', source, reader, log, open);
  listener.start();
  streams[0]?.push(Buffer.from('one'));
  await reader.counts.read.reached(1);
  t.equal(listener.problem, undefined);
  t.same([reader.counts.gaps.count, reader.counts.lost.count], [0, 0], 'a start is no gap');
  streams[0]?.destroy(new Error('read EIO'));
  await reader.counts.gaps.reached(1);
  t.match(listener.problem, 'changes of rules by others are not seen');
  await reader.counts.lost.reached(1);
  t.equal(reader.counts.gaps.count, 2, 'what began meanwhile is not reported as a whole');
  t.equal(listener.problem, undefined);
  streams[1]?.push(Buffer.from('two'));
  await reader.counts.read.reached(2);
  streams[1]?.destroy(new Error('read EIO'));
  await reader.counts.lost.reached(2);
  listener.stop();
  t.match(log.lines, [
    { level: 'warn', fields: { error: /input.output error/, restartMs: 200 } },
    { fields: { restartMs: 400 } },
  ]);
  t.equal(streams.length, 3);
});

t.test('more than its buffer takes is looked at again, and told once', async (t) => {
  const log = new RecordingLog();
  const reader = fakeReader();
  const overrun = () => {
    const stream = fakeStream();
    const error = Object.assign(new Error('read ENOBUFS'), { code: 'ENOBUFS' });
    setImmediate(() => stream.destroy(error));
    return stream;
  };
  const listener = new EventListener('changes of rules', source, reader, log, overrun);
  listener.start();
  await reader.counts.lost.reached(2);
  listener.stop();
  t.match(log.lines, [{ message: /everything is looked at again/ }]);
  t.equal(log.lines.length, 1);
});

t.test('a listener that cannot be opened is a problem, and tried again', async (t) => {
  const log = new RecordingLog();
  const reader = fakeReader();
  let tries = 0;
  const listener = new EventListener('changes of interfaces', source, reader, log, () => {
    tries += 1;
    if (tries < 3) throw new Error('too many open files (EMFILE)');
    return fakeStream();
  });
  listener.start();
  t.match(listener.problem, 'changes of interfaces by others are not seen');
  await reader.counts.lost.reached(1);
  t.equal(listener.problem, undefined);
  listener.stop();
  t.match(log.lines[1], { fields: { error: /EMFILE/, restartMs: 400 } });
});

t.test('rules that are read again and again', async (t) => {
  const log = new RecordingLog();
  const rules: Record<4 | 6, string> = { 4: 'a', 6: 'b' };
  const reads = counter();
  let clock = 0;
  const firewall = {
    writes: 0,
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
  // The daemon writes rules, and somebody undoes that before the next reading, which finds the same text.
  firewall.writes += 1;
  await seen.reached(4);
  const then = reads.count;
  await reads.reached(then + 4);
  t.equal(seen.count, 4, 'rules that stay as they are change nothing');
  poll.stop();
});
