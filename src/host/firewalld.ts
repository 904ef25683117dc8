/**
 * firewalld, where it guards the host: it rejects what is forwarded between interfaces unless their
 * zones allow it, whatever iptables says. The engine keeps a zone `docker` for its bridges, in
 * which everything is accepted (docs/docker-bridge.md 8.1).
 *
 * Its command takes a fifth of a second, so it runs only when a network is made or removed, and when
 * firewalld has changed rules. Commands run one after the other: a removal that is asked for after an
 * addition is also carried out after it.
 */
import { DriverError, messageOf } from '../core/errors.js';
import type { InterfaceName } from '../core/names.js';
import type { Log, Zones } from '../driver/host.js';
import { CommandError, isInstalled, runCommand } from './process/exec.js';

const command = 'firewall-cmd';
const zone = 'docker';
const timeoutMs = 30_000;
/** firewall-cmd(1), exit codes. */
const exitCodes = { notRunning: 252, unknownInterface: 20, unknownZone: 112 } as const;

export class Firewalld implements Zones {
  /**
   * Whether firewalld ran when it was asked last; undefined: not asked yet. When it starts or ends it
   * changes rules, which are a sign to ask again.
   */
  #running: boolean | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly log: Log,
    private readonly installed = () => isInstalled(command),
  ) {}

  async unplaced(bridges: readonly InterfaceName[]): Promise<InterfaceName[]> {
    if (!this.installed()) {
      this.#running = false;
      return [];
    }
    const zones = await this.#run(['--get-active-zones'], [exitCodes.notRunning]);
    this.#running = zones !== undefined;
    if (zones === undefined) return [];
    // A bridge that the administrator has put into another zone counts as placed, too.
    const placed = new Set(parseActiveZones(zones));
    return bridges.filter((bridge) => !placed.has(bridge));
  }

  async place(bridges: readonly InterfaceName[]): Promise<void> {
    if (bridges.length === 0) return;
    const args = [`--zone=${zone}`, ...bridges.map((bridge) => `--add-interface=${bridge}`)];
    const done = await this.#run(args, [exitCodes.notRunning, exitCodes.unknownZone]);
    if (done !== undefined) return;
    this.log.warn(
      { bridges },
      `firewalld has no zone '${zone}': the engine makes it when it starts, and these networks are ` +
        'cut off until then',
    );
  }

  async add(bridge: InterfaceName): Promise<void> {
    if (this.#running !== false) await this.place(await this.unplaced([bridge]));
  }

  async remove(bridge: InterfaceName): Promise<void> {
    if (this.#running === false || !this.installed()) return;
    const absent = [exitCodes.notRunning, exitCodes.unknownInterface, exitCodes.unknownZone];
    await this.#run([`--zone=${zone}`, `--remove-interface=${bridge}`], absent);
  }

  /** Runs after the commands before it; undefined if it ended with one of these exit codes. */
  #run(args: readonly string[], expected: readonly number[]): Promise<string | undefined> {
    const done = this.#last.then(() => this.#runNow(args, expected));
    this.#last = done.catch(() => {});
    return done;
  }

  async #runNow(args: readonly string[], expected: readonly number[]): Promise<string | undefined> {
    try {
      return (await runCommand(command, args, { timeoutMs })).stdout;
    } catch (error) {
      const code = error instanceof CommandError ? error.exitCode : undefined;
      if (code !== undefined && expected.includes(code)) return undefined;
      throw new DriverError('firewall-failed', `asking firewalld: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

/** The interfaces in what `firewall-cmd --get-active-zones` prints, of all zones. */
export function parseActiveZones(text: string): string[] {
  return [...text.matchAll(/^ +interfaces: (.*)$/gm)].flatMap(([, names = '']) =>
    names.split(' ').filter((name) => name !== ''),
  );
}
