/** A container that answers, and clients that ask it all the time: what do faults cost them? */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { listeners } from '../lab/container.js';
import { IMAGE } from '../lab/engine.js';
import type { Lab } from '../lab/lab.js';
import type { Place } from '../lab/namespaces.js';
import { LAB_ENV, NODE, until } from '../lab/process.js';
import { PROBE_MOUNTS } from '../lab/traffic.js';
import type { PortRules } from './operations.js';

const SCRIPT = '/opt/tsbridge/test/churn/steady.mjs';

/** Its published ports. */
export const steadyPorts = { tcp: 18_080, udp: 18_053 } as const;

export interface SteadyCounts {
  readonly opened: number;
  readonly open: number;
  /** Connections that were open, and ended. */
  readonly broken: number;
  /** Attempts to open one that failed. */
  readonly refused: number;
  readonly asked: number;
  readonly answered: number;
  /** Of the answers since the counts were read last. */
  readonly longestWaitMs: number;
  readonly udpSent: number;
  readonly udpAnswered: number;
  readonly reasons: Readonly<Record<string, number>>;
}

/** A network `steady` with one container, which publishes TCP and UDP. */
export async function startSteady(lab: Lab, portRules: PortRules = 'both'): Promise<void> {
  const options = portRules === 'map' ? ['-o', 'tsbridge.port_rules=map'] : [];
  await lab.docker('network', 'create', '-d', 'tsbridge', ...options, 'steady');
  const id = await lab.docker(
    ...['run', '-d', '--name', 'steady', '--network', 'steady', '--stop-signal=KILL'],
    ...['-p', `${steadyPorts.tcp}:80`, '-p', `${steadyPorts.udp}:53/udp`, ...PROBE_MOUNTS],
    ...[IMAGE, '/usr/bin/node', SCRIPT, 'serve', '80', '53'],
  );
  await until(
    'the steady container to listen',
    async () => {
      const { State } = await lab.inspect(id);
      const open = listeners(lab.path(`/proc/${State.Pid}/net`));
      return (open.has('tcp/80') && open.has('udp/53')) || undefined;
    },
    60_000,
  );
}

export async function removeSteady(lab: Lab): Promise<void> {
  await lab.docker('rm', '-f', 'steady');
  await lab.docker('network', 'rm', 'steady');
}

export class SteadyClient {
  private constructor(
    private readonly process: ChildProcess,
    private readonly answers: Interface,
  ) {}

  /** Resolves when all connections are open. */
  static async start(
    lab: Lab,
    from: Place,
    host: string,
    { connections = 8, datagramsPerSecond = 0 } = {},
  ): Promise<SteadyClient> {
    const { tcp, udp } = steadyPorts;
    const numbers = [tcp, connections, udp, datagramsPerSecond].map(String);
    const command = lab.namespaces.enter(from, [...NODE, SCRIPT, 'hold', host, ...numbers]);
    const [file = '', ...args] = command;
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], env: LAB_ENV });
    const client = new SteadyClient(child, createInterface({ input: child.stdout }));
    await until(
      'the connections to open',
      async () => {
        return (await client.counts()).open === connections || undefined;
      },
      60_000,
    );
    return client;
  }

  counts(): Promise<SteadyCounts> {
    return this.#say('');
  }

  /** From here on it sends no datagrams: every one that is not answered then is under way, or lost. */
  quiet(): Promise<SteadyCounts> {
    return this.#say('quiet');
  }

  async #say(word: string): Promise<SteadyCounts> {
    const answer = once(this.answers, 'line');
    this.process.stdin?.write(`${word}\n`);
    const [line] = (await answer) as [string];
    return JSON.parse(line) as SteadyCounts;
  }

  /** The last counts. */
  async end(): Promise<SteadyCounts> {
    const counts = await this.counts();
    this.process.stdin?.end();
    await once(this.process, 'exit');
    return counts;
  }
}
