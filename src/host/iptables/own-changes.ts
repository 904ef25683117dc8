/**
 * Which of the changes that the kernel reports are our own. It names the netlink port from which the change
 * came, and the process.
 *
 * A child's port has its process number, as the child's own pid namespace has it: the kernel chooses the port so,
 * unless another socket has it. The number of the process is that of the first pid namespace; a daemon in a
 * namespace of its own (a container) cannot know these, and goes by ports alone.
 */
import { readlinkSync } from 'node:fs';
import type { RuleTransaction } from '../../codec/nf-tables/nft-events.js';

/** What /proc/self/ns/pid links to in the first pid namespace (the kernel's PROC_PID_INIT_INO). */
const firstNamespace = 'pid:[4026531836]';
/** The kernel cuts names of programs to this. */
const nameLength = 15;
/** How many processes are remembered: more than can run, or wait for the kernel's report, at a time. */
const remembered = 64;
/**
 * How long after its end a process is remembered for the kernel's report: that of 40,000 rules comes
 * seconds late.
 */
const lateMs = 30_000;

type Writer = Pick<RuleTransaction, 'portId' | 'pid' | 'program'>;

interface OwnProcess {
  readonly pid: number;
  readonly program: string;
  endedAt: number | undefined;
}

export class OwnChanges {
  /** Netlink ports of the daemon's own sockets that write rules. */
  readonly ports = new Set<number>();
  readonly #processes: OwnProcess[] = [];

  constructor(
    private readonly sameNumbers = readlinkSync('/proc/self/ns/pid') === firstNamespace,
    private readonly now: () => number = () => performance.now(),
  ) {}

  started(pid: number, program: string): void {
    this.#processes.push({ pid, program: program.slice(0, nameLength), endedAt: undefined });
    if (this.#processes.length > remembered) this.#processes.shift();
  }

  ended(pid: number): void {
    const process = this.#processes.findLast((each) => each.pid === pid);
    if (process !== undefined) process.endedAt = this.now();
  }

  /** Answers with the pid of the daemon's child, or of the daemon; undefined if another program made the change. */
  match(writer: Writer): number | undefined {
    if (this.ports.has(writer.portId)) return process.pid;
    const number = this.sameNumbers ? writer.pid : writer.portId;
    return this.#processes.findLast(
      ({ pid, program, endedAt }) =>
        pid === number &&
        program === writer.program &&
        (endedAt === undefined || this.now() - endedAt < lateMs),
    )?.pid;
  }
}
