/**
 * The driver's daemon inside a lab: in the engine's namespaces, with the engine root's iptables.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFlags } from '../process/node-flags.js';
import { UnixHttp } from './http.js';
import { type Namespaces, REPOSITORY } from './namespaces.js';
import { LabProcess, NODE, until } from './process.js';

export const PLUGIN_SOCKET = '/run/docker/plugins/tsbridge.sock';

/** One line of the daemon's log: pino's JSON. */
export type LogEntry = Record<string, unknown> & { level?: string; msg?: string };

export class Tsbridge {
  readonly process: LabProcess;
  readonly #http: UnixHttp;

  private constructor(process: LabProcess, http: UnixHttp) {
    this.process = process;
    this.#http = http;
  }

  /**
   * Starts `tsbridge daemon ARGS…` from the built `dist/` and waits until its socket answers.
   * State is kept in /var/lib/tsbridge of the throwaway host, which outlives the daemon.
   */
  static async start(
    namespaces: Namespaces,
    args: readonly string[],
    env: Record<string, string>,
  ): Promise<Tsbridge> {
    if (!existsSync(join(REPOSITORY, 'dist/main.js'))) {
      throw new Error('dist/main.js is missing: npm run build');
    }
    const command = [...NODE, ...nodeFlags, '/opt/tsbridge/dist/main.js', 'daemon', ...args];
    const logFile = join(namespaces.directory, 'tsbridge.log');
    const daemon = new LabProcess(namespaces.enter('host', command), logFile, env);
    const http = new UnixHttp(namespaces.path(PLUGIN_SOCKET));
    const tsbridge = new Tsbridge(daemon, http);
    const answers = async (): Promise<true | undefined> => {
      if (daemon.ended) throw new Error(`tsbridge ended:\n${daemon.lines.slice(-20).join('\n')}`);
      if (!existsSync(namespaces.path(PLUGIN_SOCKET))) return undefined;
      return await tsbridge.call('Plugin.Activate').then(
        () => true,
        () => undefined,
      );
    };
    await until('tsbridge to answer', answers, 60_000);
    return tsbridge;
  }

  /** A call as the engine makes it; an error is thrown with the text of `Err`. */
  call<T = unknown>(method: string, body?: unknown): Promise<T> {
    return this.#http.call<T>('POST', `/${method}`, body);
  }

  /** The log so far; lines that are no JSON come as `{msg}`. */
  get logs(): LogEntry[] {
    return this.process.lines.map((line) => {
      try {
        return JSON.parse(line) as LogEntry;
      } catch {
        return { msg: line };
      }
    });
  }

  get ended(): boolean {
    return this.process.ended;
  }

  /** How it ended: exit status or signal name. */
  get exited(): Promise<number | string> {
    return this.process.exited;
  }

  /** Its process id in the machine's numbering. */
  pid(): Promise<number> {
    return this.process.pid();
  }

  /** Sends the signal and waits for the end. */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const result = await this.process.kill(signal);
    this.#http.close();
    return result;
  }

  close(): void {
    this.#http.close();
  }
}
