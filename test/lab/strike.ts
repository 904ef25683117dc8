/**
 * One fault after the other on a running host: what was there has to come back, by one commit a
 * family and with one line in the log, while a connection through a published port stays open.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from './fixture.js';
import { HeldConnection } from './held.js';
import { type HostState, hostState } from './host-state.js';
import { ADDRESSES, type Lab } from './lab.js';
import { LabProcess, until } from './process.js';
import type { LogEntry, Tsbridge } from './tsbridge.js';

export interface Fault {
  name: string;
  /** Shell commands on the host. */
  script: string;
  /** What the line in the log says was repaired. */
  repairs: 'rules' | 'links' | 'settings';
  /** Who did it, where the kernel says so. */
  author?: RegExp;
  /** Why a connection that is in use does not survive, whoever repairs. */
  breaksConnections?: string;
}

export interface Struck {
  lab: Lab;
  daemon: Tsbridge;
  /** Matches the rules of the networks under test. */
  own: RegExp;
  /** Paths below /proc/sys. */
  settings: readonly string[];
  /** The published port, on the host's address, through which a connection is held. */
  port: number;
}

/** After a repair nothing else follows. */
const quietMs = 500;
const isRepair = ({ msg }: LogEntry): boolean => msg?.startsWith('repaired ') ?? false;

export class Striker {
  readonly #monitor: LabProcess;
  readonly #times = new Map<string, number[]>();

  private constructor(
    private readonly struck: Struck,
    private readonly wanted: HostState,
  ) {
    const { namespaces } = struck.lab;
    const command = namespaces.enter('host', ['nft', 'monitor']);
    this.#monitor = new LabProcess(command, `${namespaces.directory}/nft.log`);
  }

  /** What is there now is what has to come back. */
  static async create(struck: Struck): Promise<Striker> {
    const wanted = await hostState(struck.lab, struck.own, struck.settings);
    const striker = new Striker(struck, wanted);
    await sleep(200);
    return striker;
  }

  async strike(t: Test, fault: Fault): Promise<void> {
    const { lab, daemon, own, settings, port } = this.struck;
    await t.test(fault.name, async (t) => {
      const held = await HeldConnection.open(lab, 'lan', ADDRESSES.host, port);
      const logged = daemon.logs.length;
      // What is left of others can only be seen for sure while nothing is repaired.
      const harmed = await whileStopped(await daemon.pid(), async () => {
        await lab.hostNs('sh', '-ec', fault.script);
        return hostState(lab, own, settings);
      });
      const { others: _, ...wanted } = this.wanted;
      const { others: left, ...damage } = harmed;
      t.not(JSON.stringify(damage), JSON.stringify(wanted), 'the fault did something');
      const generations = this.#generations().length;
      const struckAt = Date.now();
      let now = harmed;
      await until(`${fault.name} to be repaired`, async () => {
        now = await hostState(lab, own, settings);
        const { others: _, ...found } = now;
        return JSON.stringify(found) === JSON.stringify(wanted) || undefined;
      }).catch(() => {});
      const isLogged = () => daemon.logs.slice(logged).some(isRepair) || undefined;
      await until('the repair to be logged', isLogged).catch(() => {});
      await sleep(quietMs);
      const { others, ...found } = await hostState(lab, own, settings);
      t.strictSame(found, wanted, 'all of ours is back');
      t.strictSame(others, left, 'nothing of others was touched');
      this.#checkLog(t as Test, fault, daemon.logs.slice(logged), struckAt);
      const writers = this.#generations().slice(generations);
      for (const [program, pids] of byProgram(writers)) {
        t.equal(pids.size, 1, `one commit by ${program}`);
      }
      if (fault.breaksConnections !== undefined) {
        await held.finish().catch(() => {});
      } else await t.resolves(held.finish(), 'the connection survives');
      t.match(await lab.ask('lan', ADDRESSES.host, port), { name: 'web' }, 'new ones work');
      if (!t.passing()) lab.printLogs();
    });
  }

  #checkLog(t: Test, fault: Fault, entries: readonly LogEntry[], struckAt: number): void {
    const repairs = entries.filter(isRepair);
    t.match(
      repairs,
      [{ level: 'warn', msg: `repaired ${fault.repairs} that somebody else had changed` }],
      'one line in the log',
    );
    t.equal(repairs.length, 1);
    const [line] = repairs;
    t.match(line?.author, fault.author ?? /^unknown$/, 'who did it');
    t.ok(Number(line?.count) > 0 && Array.isArray(line?.first), 'what was missing, how much');
    if (line === undefined) return;
    const took = Date.parse(String(line.time)) - struckAt;
    this.note(t, fault.name, took);
  }

  /** Tells a time; nothing is asserted of it. */
  note(t: Test, name: string, ms: number): void {
    this.#times.set(name, [...(this.#times.get(name) ?? []), ms]);
    t.comment(`${name}: back after ${ms} ms`);
  }

  /** Process and program of each transaction so far, but for those in which the daemon learns how rules are written. */
  #generations(): { pid: string; program: string }[] {
    let changes: string[] = [];
    return this.#monitor.lines.flatMap((line) => {
      const [, pid, program] = /^# new generation .* process (\d+) \((.*)\)$/.exec(line) ?? [];
      if (pid === undefined || program === undefined) {
        changes.push(line);
        return [];
      }
      const learns = changes.length > 0 && changes.every((each) => each.includes('TSBRIDGE-PROBE'));
      changes = [];
      return learns ? [] : [{ pid, program }];
    });
  }

  async end(t: Test): Promise<void> {
    for (const [name, times] of this.#times) {
      const sorted = [...times].sort((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)];
      t.comment(`| ${name} | ${median} ms | ${sorted.at(-1)} ms | ${times.length} |`);
    }
    await this.#monitor.kill();
  }
}

/** A stopped process stops the nsenter that started it, too. */
export async function whileStopped<T>(pid: number, work: () => Promise<T>): Promise<T> {
  const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  process.kill(pid, 'SIGSTOP');
  try {
    return await work();
  } finally {
    for (const each of [pid, Number(parent)]) process.kill(each, 'SIGCONT');
  }
}

function byProgram(writers: readonly { pid: string; program: string }[]): Map<string, Set<string>> {
  const programs = new Map<string, Set<string>>();
  for (const { pid, program } of writers) {
    programs.set(program, (programs.get(program) ?? new Set<string>()).add(pid));
  }
  return programs;
}
