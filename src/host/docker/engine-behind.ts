/** Which process of the engine is behind a connection to its socket, as far as an unprivileged look into /proc tells. */
import { readdir, readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { ProcessFiles } from '../process/processes.js';
import type { Behind, EngineProcesses } from './docker-engine.js';

const program = 'dockerd';
/** Ticks of `/proc/PID/stat` in a second: USER_HZ, the same on all architectures that Docker runs on. */
const ticksPerSecond = 100;

export class EngineBehind implements EngineProcesses {
  constructor(
    private readonly processes: Pick<ProcessFiles, 'pidAtOtherEnd' | 'identify'>,
    private readonly root = '/proc',
  ) {}

  /**
   * undefined if that cannot be told: a proxy passes requests on, or systemd listens for the engine
   * (docker.socket), and this host runs several of them.
   */
  async engineBehind(socket: Socket): Promise<Behind | undefined> {
    const peer = this.processes.pidAtOtherEnd(socket);
    if (peer <= 0) return undefined;
    const direct = (await this.#read(peer, 'comm'))?.trim() === program;
    const pid = direct ? peer : peer === 1 ? await this.#onlyEngine() : undefined;
    if (pid === undefined) return undefined;
    const upMs = await this.#age(pid);
    return upMs === undefined ? undefined : { process: await this.processes.identify(pid), upMs };
  }

  /** Those of containers have a PID namespace of their own, and do not count. */
  async #onlyEngine(): Promise<number | undefined> {
    const engines: number[] = [];
    for (const name of await readdir(this.root)) {
      if (!/^\d+$/.test(name) || (await this.#read(name, 'comm'))?.trim() !== program) continue;
      const status = await this.#read(name, 'status');
      if (/^NSpid:\t\d+$/m.test(status ?? '')) engines.push(Number(name));
    }
    return engines.length === 1 ? engines[0] : undefined;
  }

  async #age(pid: number): Promise<number | undefined> {
    const stat = await this.#read(pid, 'stat');
    const started = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const uptime = Number.parseFloat(await readFile(`${this.root}/uptime`, 'latin1'));
    const seconds = uptime - started / ticksPerSecond;
    return Number.isFinite(seconds) ? Math.max(0, Math.round(seconds * 1_000)) : undefined;
  }

  async #read(pid: number | string, file: string): Promise<string | undefined> {
    return readFile(`${this.root}/${pid}/${file}`, 'latin1').catch(() => undefined);
  }
}
