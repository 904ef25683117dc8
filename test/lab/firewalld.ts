/**
 * firewalld on a throwaway host (suite `bookworm-firewalld`), with a D-Bus of its own.
 */
import type { Lab } from './lab.js';
import { LabProcess, until } from './process.js';

export class LabFirewalld {
  #daemon: LabProcess;

  private constructor(
    private readonly lab: Lab,
    daemon: LabProcess,
  ) {
    this.#daemon = daemon;
  }

  /** Starts the bus, and firewalld; resolves when it answers. To be done before dockerd starts. */
  static async start(lab: Lab): Promise<LabFirewalld> {
    await lab.hostNs('mkdir', '-p', '/run/dbus');
    spawn(lab, 'dbus-daemon', '--system', '--nofork', '--nopidfile');
    await until('the bus', () =>
      lab.hostNs('test', '-S', '/run/dbus/system_bus_socket').then(
        () => true,
        () => undefined,
      ),
    );
    const firewalld = new LabFirewalld(lab, spawnFirewalld(lab));
    await firewalld.#answers();
    return firewalld;
  }

  async reload(): Promise<void> {
    await this.lab.hostNs('firewall-cmd', '--reload');
  }

  async restart(): Promise<void> {
    await this.#daemon.kill();
    this.#daemon = spawnFirewalld(this.lab);
    await this.#answers();
  }

  /** The interfaces in a zone. */
  async interfaces(zone: string): Promise<string[]> {
    const text = await this.lab.hostNs('firewall-cmd', `--zone=${zone}`, '--list-interfaces');
    return text.trim().split(' ').sort();
  }

  #answers(): Promise<true> {
    const asked = () =>
      this.lab.hostNs('firewall-cmd', '--state').then(
        () => true as const,
        () => {
          if (this.#daemon.ended) throw new Error(`it ended: ${this.#daemon.lines.join('\n')}`);
          return undefined;
        },
      );
    return until('firewalld to answer', asked, 60_000);
  }
}

function spawnFirewalld(lab: Lab): LabProcess {
  return spawn(lab, 'firewalld', '--nofork', '--nopid', '--log-target=console');
}

function spawn(lab: Lab, ...command: string[]): LabProcess {
  const { namespaces } = lab;
  return new LabProcess(namespaces.enter('host', command), `${namespaces.directory}/firewalld.log`);
}
