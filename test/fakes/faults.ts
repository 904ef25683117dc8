/** Failures that a test puts into a host in memory. */

/** Makes the next calls of the named methods fail. */
export class Faults {
  readonly #planned = new Map<string, Error[]>();
  /** Every call, in order: where a crash or a failure can be put. */
  readonly calls: string[] = [];

  plan(method: string, message: string): void {
    this.#planned.set(method, [...(this.#planned.get(method) ?? []), new Error(message)]);
  }

  check(method: string): void {
    this.calls.push(method);
    const error = this.#planned.get(method)?.shift();
    if (error !== undefined) throw error;
  }
}
