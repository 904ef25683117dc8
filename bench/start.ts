/**
 * What the runtime costs: the daemon of `dist/` is started again and again on an empty host, by the
 * Node.js that runs this file. Prints medians; the first start is not counted, since it reads the disk.
 * Processor time says more than the clock on a machine that others use, too.
 *
 *   node --import=tsx bench/start.ts [--rounds N]
 */
import { inFreshNamespace, run } from '../test/process/netns.js';

inFreshNamespace();
const { mkdtempSync, readFileSync } = await import('node:fs');
const { setTimeout: sleep } = await import('node:timers/promises');
const { parseArgs } = await import('node:util');
const { Daemon } = await import('../test/process/daemon.js');
const { RawClient } = await import('../test/fuzz/client.js');
const { median } = await import('./measure.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });

/** Milliseconds from the start of the process to its first answer. */
async function firstAnswer(socket: string, started: number): Promise<number> {
  for (;;) {
    const client = new RawClient(socket);
    try {
      await client.post('Plugin.Activate', '');
      return performance.now() - started;
    } catch {
      await sleep(2);
    } finally {
      client.close();
    }
  }
}

/** Milliseconds, from the kernel's hundredths of a second. */
function processorTime(pid: number): number {
  const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '';
  const [user, system] = afterName.split(' ').slice(11, 13).map(Number);
  return 10 * ((user ?? 0) + (system ?? 0));
}

/** MB: memory of its own, and what it has of files, which processes of the same program share. */
function memory(pid: number): { own: number; files: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
  return { own: mb('RssAnon'), files: mb('RssFile') };
}

const answered: number[] = [];
const busy: number[] = [];
const own: number[] = [];
const files: number[] = [];
for (let round = 0; round <= Number(values.rounds); round += 1) {
  const folder = mkdtempSync('/run/bench-');
  const started = performance.now();
  const daemon = Daemon.spawn(folder);
  const answer = await firstAnswer(daemon.socket, started);
  const processor = processorTime(daemon.pid);
  while (!daemon.log.includes('"recovered"')) await sleep(20);
  // What is compiled and collected soon after the start is over by then.
  await sleep(3_000);
  const used = memory(daemon.pid);
  await daemon.kill();
  if (round === 0) continue;
  answered.push(answer);
  busy.push(processor);
  own.push(used.own);
  files.push(used.files);
}
console.log(
  `Node.js ${process.versions.node}: first answer after ${median(answered).toFixed(0)} ms ` +
    `(${median(busy).toFixed(0)} ms of processor), ${median(own).toFixed(1)} MB of its own, ` +
    `${median(files).toFixed(1)} MB of files`,
);
