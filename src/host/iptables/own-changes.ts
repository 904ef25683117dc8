/**
 * Which of the changes that `nft monitor` reports are our own. The kernel numbers processes as its
 * first pid namespace does; a daemon in a namespace of its own (a container) cannot know these
 * numbers, and goes by what it has running instead.
 */
import { readlinkSync } from 'node:fs';

/** What /proc/self/ns/pid links to in the first pid namespace (the kernel's PROC_PID_INIT_INO). */
const firstNamespace = 'pid:[4026531836]';
/** The kernel cuts names of programs to this. */
const nameLength = 15;
/** How many processes are remembered: more than can run, or wait for the kernel's report, at a time. */
const remembered = 64;
/**
 * How long after its end a process is remembered for the kernel's report: that of 40,000 rules comes
 * seconds late. Where only the program's name is known, another process of that name would be taken for
 * the daemon's child all that time, so it is shorter.
 */
const lateMs = { byNumber: 30_000, byName: 2_000 };

interface OwnProcess {
  readonly pid: number;
  readonly program: string;
  /** Not reported yet. */
  transactions: number;
  endedAt: number | undefined;
}

export class OwnChanges {
  readonly #processes: OwnProcess[] = [];

  constructor(
    private readonly sameNumbers = readlinkSync('/proc/self/ns/pid') === firstNamespace,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @param transactions how many it will make if all goes well */
  started(pid: number, program: string, transactions: number): void {
    const name = program.slice(0, nameLength);
    this.#processes.push({ pid, program: name, transactions, endedAt: undefined });
    if (this.#processes.length > remembered) this.#processes.shift();
  }

  /** @param changed false: it failed, so that nothing more of it will be reported */
  ended(pid: number, changed: boolean): void {
    const process = this.#processes.findLast((each) => each.pid === pid);
    if (process === undefined) return;
    process.endedAt = this.now();
    if (!changed) process.transactions = 0;
  }

  /**
   * Call it once for each report. Answers with the pid of the daemon's child; undefined if another program
   * made the change. In a pid namespace of its own the daemon can take a program of the same name, at the
   * same time, for its child; the child's change then counts as that program's.
   */
  match(pid: number, program: string): number | undefined {
    const late = this.sameNumbers ? lateMs.byNumber : lateMs.byName;
    const recent = this.#processes.filter(
      ({ endedAt }) => endedAt === undefined || this.now() - endedAt < late,
    );
    if (this.sameNumbers)
      return recent.findLast((each) => each.pid === pid && each.program === program)?.pid;
    const own = recent.find((each) => each.program === program && each.transactions > 0);
    if (own === undefined) return undefined;
    own.transactions -= 1;
    return own.pid;
  }
}
