/** Who made changes from outside, as far as the kernel says. */
import type { Author } from '../host.js';

/** The programs that made the changes which a repair puts right. Grows with programs, not with processes. */
export class Authors {
  readonly #programs = new Map<string, { processes: number; last: number }>();

  add({ program, pid }: Author): void {
    const known = this.#programs.get(program);
    if (known === undefined) this.#programs.set(program, { processes: 1, last: pid });
    else if (known.last !== pid) {
      known.processes += 1;
      known.last = pid;
    }
  }

  addAll(others: Authors): void {
    for (const [program, { processes, last }] of others.#programs) {
      const before = this.#programs.get(program)?.processes ?? 0;
      this.#programs.set(program, { processes: before + processes, last });
    }
  }

  /** Names of the programs; `unknown` alone if the kernel says nothing. */
  get programs(): string[] {
    return this.#programs.size === 0 ? ['unknown'] : [...this.#programs.keys()];
  }

  /** `nft (process 4711)`, `iptables (17 processes, the last was 4711), firewalld (process 812)`. */
  toString(): string {
    if (this.#programs.size === 0) return 'unknown';
    return [...this.#programs]
      .map(([program, { processes, last }]) => {
        const which = processes === 1 ? 'process' : `${processes} processes, the last was`;
        return `${program} (${which} ${last})`;
      })
      .join(', ');
  }
}
