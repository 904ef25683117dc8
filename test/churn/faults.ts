/** What happens to a host on its worst day. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.js';
import { until } from '../lab/process.js';
import type { Tsbridge } from '../lab/tsbridge.js';
import { findProxy } from './figures.js';

/** A lab whose daemon can be another one after a fault. */
export interface Struck {
  readonly lab: Lab;
  daemon: Tsbridge;
  readonly tsbridgeArgs: readonly string[];
}

export interface HostFault {
  readonly name: string;
  /** How often, in comparison with the others. */
  readonly weight: number;
  /** Calls of the engine may fail because of it. */
  readonly disturbs: boolean;
  readonly ofEngine: boolean;
  /** It does nothing to the rules of iptables-legacy. */
  readonly ofNft?: true;
  readonly strike: (struck: Struck) => Promise<void>;
}

const script =
  (text: string) =>
  async ({ lab }: Struck): Promise<void> => {
    await lab.hostNs('sh', '-ec', text);
  };

/** As systemd does after `Restart=always`. */
const restartMs = 100;

const restartDaemon = (signal: NodeJS.Signals) => async (struck: Struck) => {
  await struck.lab.killTsbridge(signal);
  await sleep(restartMs);
  struck.daemon = await struck.lab.spawnTsbridge(struck.tsbridgeArgs);
};

const restartEngine =
  (signal: NodeJS.Signals) =>
  async ({ lab }: Struck) => {
    await lab.killDockerd(signal);
    await lab.startDockerd();
  };

async function killProxy({ lab }: Struck): Promise<void> {
  const pid = findProxy(lab);
  if (pid === undefined) throw new Error('no proxy process');
  process.kill(pid, 'SIGKILL');
  await until(
    'another proxy process',
    () => {
      const now = findProxy(lab);
      return (now !== undefined && now !== pid) || undefined;
    },
    60_000,
  );
}

const harmless = { disturbs: false, ofEngine: false } as const;

export const hostFaults: readonly HostFault[] = [
  { name: 'iptables -F', weight: 4, ...harmless, strike: script('iptables -F') },
  { name: 'iptables -t nat -F', weight: 3, ...harmless, strike: script('iptables -t nat -F') },
  {
    name: 'the map of ports is gone',
    weight: 2,
    ...harmless,
    ofNft: true,
    strike: script('nft add table ip tsbridge; nft delete table ip tsbridge'),
  },
  {
    name: 'nft flush ruleset',
    weight: 2,
    ...harmless,
    ofNft: true,
    strike: script('nft flush ruleset'),
  },
  {
    name: 'ip link set BR down',
    weight: 3,
    ...harmless,
    strike: script('ip link set $(ls -d /sys/class/net/br-* | head -n 1 | xargs basename) down'),
  },
  { name: 'proxy killed', weight: 2, ...harmless, disturbs: true, strike: killProxy },
  {
    name: 'tsbridge restarted',
    weight: 1,
    ...harmless,
    disturbs: true,
    strike: restartDaemon('SIGTERM'),
  },
  {
    name: 'tsbridge killed',
    weight: 1,
    ...harmless,
    disturbs: true,
    strike: restartDaemon('SIGKILL'),
  },
  {
    name: 'dockerd restarted',
    weight: 2,
    disturbs: true,
    ofEngine: true,
    strike: restartEngine('SIGTERM'),
  },
  {
    name: 'dockerd killed',
    weight: 1,
    disturbs: true,
    ofEngine: true,
    strike: restartEngine('SIGKILL'),
  },
];
