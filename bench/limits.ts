/**
 * Rates that containers reach under limits, and what a ping takes meanwhile: two network namespaces on a bridge, TCP by
 * iperf3 (which has to be installed, as has ping), in a namespace of its own.
 *
 *     node --import=tsx bench/limits.ts --seconds 5 --rates 10,100,1000
 *     node --import=tsx bench/limits.ts --queue fifo       without fq_codel, also where the kernel has it
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { inFreshNamespace, run } from '../test/process/netns.js';
import { median } from './measure.js';

inFreshNamespace();
const { parseInterfaceName } = await import('../src/core/names.js');
const { limitsOf } = await import('../src/core/network/limits.js');
const { planShaping, shapedLink, unshaped } = await import('../src/core/network/shaping.js');
const { ShapingNetlink } = await import('../src/host/netlink/shaping.js');

const { values: given } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rates: { type: 'string', default: '10,100,1000' },
    iperf3: { type: 'string', default: 'iperf3' },
    queue: { type: 'string', default: 'unknown' },
  },
});
const seconds = Number(given.seconds);
const queue = given.queue === 'fifo' ? 'fifo' : 'unknown';
const kernel = new ShapingNetlink();
const host = parseInterfaceName('veth0000001');
if (host === undefined) throw new Error('not a name');
const link = shapedLink(host);

/** Programs that have to be ended; the network namespaces go when this process ends. */
const started: ChildProcess[] = [];
const ip = (...args: readonly string[]) => run('ip', args);
const inside = (name: string, ...command: readonly string[]) => {
  const child = spawn('ip', ['netns', 'exec', name, ...command]);
  started.push(child);
  return child;
};

/** The program's standard output. @throws {Error} if the program fails, with what it wrote to standard error */
async function outputOf(child: ChildProcess): Promise<string> {
  let [text, errors] = ['', ''];
  child.stdout?.on('data', (data) => {
    text += data;
  });
  child.stderr?.on('data', (data) => {
    errors += data;
  });
  const [code] = await once(child, 'close');
  if (code !== 0)
    throw new Error(`${child.spawnargs.join(' ')}: exit code ${code}: ${errors}${text}`);
  return text;
}

function connect(name: string, end: string, address: string): void {
  ip('netns', 'add', name);
  ip('link', 'add', end, 'up', 'master', 'br0', 'type', 'veth', 'peer', 'name', `${name}0`);
  ip('link', 'set', `${name}0`, 'netns', name);
  ip('-netns', name, 'address', 'add', `${address}/24`, 'dev', `${name}0`);
  ip('-netns', name, 'link', 'set', `${name}0`, 'up');
}

/** Bytes that passed the token bucket, or the interface if there is no limit. Dropped packets are not counted. */
function passed(direction: 'down' | 'up'): number {
  const shown = run('tc', ['-s', '-j', 'qdisc', 'show']);
  const device = direction === 'down' ? link.host : link.ifb;
  const bucket = (JSON.parse(shown) as { kind: string; dev: string; bytes: number }[]).find(
    ({ kind, dev }) => kind === 'tbf' && dev === device,
  );
  const what = direction === 'down' ? 'tx_bytes' : 'rx_bytes';
  const path = `/sys/class/net/${link.host}/statistics/${what}`;
  return bucket?.bytes ?? Number(readFileSync(path, 'utf8'));
}

async function limit(rate: number | 'none'): Promise<number> {
  const observed = (await kernel.observe([link])).get(link.host);
  if (observed === undefined) throw new Error(`no ${host}`);
  const limits = limitsOf([{ down: { rate }, up: { rate } }]);
  const steps = planShaping(link, limits, observed, queue);
  const begun = performance.now();
  await kernel.apply(steps);
  return performance.now() - begun;
}

/** One row: megabits a second at layer 2 (the kernel's counters) and of TCP's payload, and milliseconds of the ping. */
async function measure(direction: 'down' | 'up', streams: number): Promise<string> {
  const ping = outputOf(inside('b', 'ping', '-q', '-i', '0.05', '-w', given.seconds, '10.9.0.1'));
  const reverse = direction === 'down' ? ['-R'] : [];
  const args = ['-c', '10.9.0.2', '-J', '-O', '1', '-t', given.seconds, '-P', String(streams)];
  const answer = outputOf(inside('a', given.iperf3, ...args, ...reverse));
  // After this time TCP has found its speed, and the burst is used up.
  await sleep(1_500);
  const [before, since] = [passed(direction), performance.now()];
  await sleep((seconds - 1) * 1_000);
  const layer2 = ((passed(direction) - before) * 8) / (performance.now() - since) / 1_000;
  const report = JSON.parse(await answer) as {
    end: { sum_received: { bits_per_second: number } };
  };
  const tcp = report.end.sum_received.bits_per_second / 1e6;
  const [, mean, most] = /= [\d.]+\/([\d.]+)\/([\d.]+)\//.exec(await ping) ?? [];
  return `${layer2.toFixed(2)} | ${tcp.toFixed(2)} | ${mean}, ${most}`;
}

/** Milliseconds that making both limits of a new container takes; the median of 21. */
async function creation(): Promise<number> {
  const times: number[] = [];
  for (let number = 10; number <= 30; number += 1) {
    const end = parseInterfaceName(`veth00000${number}`);
    if (end === undefined) throw new Error('not a name');
    ip('link', 'add', end, 'up', 'master', 'br0', 'type', 'veth', 'peer', 'name', `p${number}`);
    const both = limitsOf([{ down: { rate: 1e7 }, up: { rate: 1e7 } }]);
    const steps = planShaping(shapedLink(end), both, unshaped, queue);
    const begun = performance.now();
    await kernel.apply(steps);
    times.push(performance.now() - begun);
  }
  return median(times);
}

try {
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  ip('link', 'add', 'br0', 'up', 'type', 'bridge');
  console.log(`both limits of a new container: ${(await creation()).toFixed(1)} ms`);
  connect('a', host, '10.9.0.1');
  connect('b', 'veth0000002', '10.9.0.2');
  inside('b', given.iperf3, '-s');
  await sleep(1_000);
  await limit(1e7);
  console.log(run('tc', ['-d', 'qdisc', 'show', 'dev', host]).trim());
  console.log('| limit, Mbit/s | direction, streams | layer 2 | TCP | ping, mean and most, ms |');
  console.log('|---|---|---|---|---|');
  for (const rate of given.rates.split(',').map(Number)) {
    const ms = await limit(rate * 1e6);
    for (const streams of rate <= 10 ? [1, 4] : [1]) {
      for (const direction of ['down', 'up'] as const) {
        console.log(
          `| ${rate} | ${direction}, ${streams} | ${await measure(direction, streams)} |`,
        );
      }
    }
    console.log(`made or changed in ${ms.toFixed(1)} ms`);
  }
  await limit('none');
  for (const direction of ['down', 'up'] as const) {
    console.log(`| none | ${direction}, 1 | ${await measure(direction, 1)} |`);
  }
} finally {
  for (const child of started) child.kill('SIGKILL');
}
process.exit(0);
