/** Measures what rules of other programs cost the daemon, which the kernel tells of every change of nf_tables. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const foreignRules = 10_000;
/** Rules that one change takes away and adds again. */
const changedRules = 100;
const everyMs = 500;
const changes = 40;

export interface ListenerCost {
  /** Percent of a processor that the daemon took beside the changes, and without any. */
  readonly beside: number;
  readonly without: number;
}

/** Two changes a second, for 20 s, in a table of somebody else's, in which are 10,000 rules. */
export async function listenerCost(pid: number): Promise<ListenerCost> {
  nft(
    `add table inet foreign\nadd chain inet foreign still\nadd chain inet foreign changed\n` +
      `${ruleLines('still', foreignRules - changedRules)}${ruleLines('changed', changedRules)}`,
  );
  try {
    await sleep(2_000);
    const quiet = processorTime(pid);
    await sleep(everyMs * changes);
    const began = processorTime(pid);
    const from = performance.now();
    const change = `flush chain inet foreign changed\n${ruleLines('changed', changedRules)}`;
    for (let number = 1; number <= changes; number += 1) {
      nft(change);
      await sleep(Math.max(0, from + number * everyMs - performance.now()));
    }
    const took = performance.now() - from;
    const percent = (ms: number, of: number) => (100 * ms) / of;
    return {
      beside: percent(processorTime(pid) - began, took),
      without: percent(began - quiet, everyMs * changes),
    };
  } finally {
    nft('delete table inet foreign\n');
  }
}

function ruleLines(chain: string, count: number): string {
  return Array.from(
    { length: count },
    (_, number) => `add rule inet foreign ${chain} tcp dport ${1 + number} counter accept\n`,
  ).join('');
}

/** The processor time of all threads of the process, in milliseconds; the scheduler counts nanoseconds. */
function processorTime(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'))
    .reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1e6, 0);
}

function nft(input: string): void {
  const { status, stderr } = spawnSync('nft', ['-f', '-'], { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}
