/**
 * Which of the changes that `nft monitor` reports are our own. The kernel numbers processes as its
 * first pid namespace does; a daemon in a namespace of its own (a container) cannot know these
 * numbers, and goes by what it has running instead.
 */
import { readlinkSync } from 'node:fs';

/** The inode of the first pid namespace: PROC_PID_INIT_INO of the kernel. */
const firstNamespace = 'pid:[4026531836]';
/** The kernel cuts names of programs to this. */
const nameLength = 15;
/** More than can be running or waiting to be reported by the kernel at a time. */
const remembered = 64;
/**
 * A report can come so long after the end of the process: that of 40,000 rules takes seconds. Where
 * only the name of the program is known, another one's would be taken for ours all that time.
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
   * Call it once for each report. Answers with the process's number as we know it; undefined if it
   * is none of ours. In a namespace of our own, a program of the same name that changes something
   * at the same time can be taken for ours; then ours is taken for the other's.
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
