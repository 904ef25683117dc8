/**
 * A connection that is open, and in use, while something happens to the host.
 */
import { join } from 'node:path';
import type { Lab } from './lab.js';
import type { Place } from './namespaces.js';
import { LabProcess, NODE, until } from './process.js';
import type { Answer } from './traffic.js';

const HOLD = '/opt/tsbridge/test/lab/hold.mjs';

export class HeldConnection {
  readonly #process: LabProcess;

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  /** Resolves when the connection is open. */
  static async open(lab: Lab, from: Place, host: string, port: number): Promise<HeldConnection> {
    const command = lab.namespaces.enter(from, [...NODE, HOLD, host, String(port)]);
    const process = new LabProcess(command, join(lab.namespaces.directory, 'held.log'));
    await until('a connection to open', () => {
      if (process.ended) throw new Error(process.lines.join('\n'));
      return process.lines.includes('open') || undefined;
    });
    return new HeldConnection(process);
  }

  /** What the server says of all that arrived; throws if the connection broke. */
  async finish(): Promise<Answer> {
    await this.#process.kill('SIGUSR1', false);
    const status = await this.#process.exited;
    const said = this.#process.lines.filter((line) => line !== 'open').join('\n');
    if (status !== 0) throw new Error(`the connection broke: ${said}`);
    return JSON.parse(said) as Answer;
  }
}
