/** SIGKILL in memory: from the chosen effect on, nothing that the driver does has any effect. */
import type { Interpose } from '../fakes/fake-host.js';

/** Everything that only looks. */
const looks = new Set([
  'find',
  'list',
  'observe',
  'routesInto',
  'portsOf',
  'read',
  'load',
  'supports',
  'deletesByHandle',
  'obstacle',
  'missingTables',
  'problems',
  'followVariant',
  'refuseDoubt',
  'foresee',
  'engineStarted',
  'prepare',
]);

export class Killer {
  /** Where it happened. */
  where = 'nowhere';
  #effects = 0;
  #armed = false;
  #dead = false;
  #die: () => void = () => {};
  readonly #died = new Promise<void>((resolve) => {
    this.#die = resolve;
  });
  #random: number;

  /**
   * @param at odd: before an effect; even: after it
   * @param order 0: effects take place at once, others: after a while that depends on it
   */
  constructor(
    private readonly at: number,
    private readonly order: number,
  ) {
    this.#random = order;
  }

  /** Effects count from here. */
  arm(): void {
    this.#armed = true;
  }

  /** Whether the daemon died before its work was done. */
  async kills(work: Promise<unknown>): Promise<boolean> {
    const done = work.then(
      () => false,
      (error) => {
        if (this.#dead) return true;
        throw error;
      },
    );
    return Promise.race([done, this.#died.then(() => true)]);
  }

  readonly interpose: Interpose = (name, part) =>
    new Proxy(part, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key, target);
        if (typeof member !== 'function' || typeof key !== 'string') return member;
        const call = (...args: unknown[]): unknown => Reflect.apply(member, target, args);
        if (looks.has(key)) return (...args: unknown[]) => (this.#dead ? never() : call(...args));
        return (...args: unknown[]) => this.#effect(`${name}.${key}`, () => call(...args));
      },
    });

  async #effect(name: string, call: () => unknown): Promise<unknown> {
    for (let ticks = this.#delay(); ticks > 0; ticks -= 1) await Promise.resolve();
    if (this.#dead) return never();
    if (!this.#armed) return call();
    this.#effects += 1;
    const effect = this.#effects;
    if (this.at === effect * 2 - 1) return this.#kill(`before ${name} (order ${this.order})`);
    const result = await call();
    if (this.#dead) return never();
    if (this.at === effect * 2) return this.#kill(`after ${name} (order ${this.order})`);
    return result;
  }

  #kill(where: string): Promise<never> {
    this.where = where;
    this.#dead = true;
    this.#die();
    return never();
  }

  /** Pseudo-random, 0 to 15. */
  #delay(): number {
    if (this.order === 0) return 0;
    this.#random = (this.#random * 1103515245 + 12345) % 2 ** 31;
    return (this.#random >> 16) % 16;
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
