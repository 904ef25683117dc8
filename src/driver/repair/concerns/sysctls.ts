/** Settings below /proc/sys that a network counts on: what they should be, and what differs. */
import { ErrorList } from '../../../core/errors.js';
import { familiesOf, type NetworkSpec } from '../../../core/network/network.js';
import {
  bridgeNfCall,
  forwardingOf,
  type Sysctl,
  type SysctlPath,
} from '../../../core/network/sysctls.js';
import { segmentOf } from '../../../core/segments/all.js';
import { applySysctls } from '../../usecases/apply.js';
import { ensureBridgeFiltering, needsBridgeFiltering } from '../../usecases/bridge-filtering.js';
import { ensureForwarding, forwardingPaths } from '../../usecases/forwarding.js';
import type { World } from '../../world.js';
import type { Concern, Occasion, Poll } from './concern.js';
import type { When } from './rules.js';

type Read = (path: SysctlPath) => Promise<string | undefined>;

/**
 * The network's settings that the kernel has, with another value.
 *
 * @param read in place of reading each: a caller that asks for many networks keeps what they share
 */
export async function differingSysctls(
  world: Pick<World, 'registry' | 'rules' | 'settings' | 'sysctls'>,
  spec: NetworkSpec,
  read: Read = (path) => world.sysctls.read(path),
): Promise<Sysctl[]> {
  const wanted = ownSettings(world, spec);
  const on = (path: SysctlPath): Sysctl => ({ path, value: '1', optional: true });
  for (const { family } of familiesOf(spec)) {
    if (spec.ipForward) wanted.push(...forwardingPaths[family].map(on));
    // Only where the host forwards: see ensureBridgeFiltering.
    if (!needsBridgeFiltering(world, spec)) continue;
    if ((await read(forwardingOf(family, spec.bridge))) === '1') {
      wanted.push(on(bridgeNfCall[family]));
    }
  }
  const differing: Sysctl[] = [];
  for (const sysctl of wanted) {
    const value = await read(sysctl.path);
    if (value !== undefined && value !== sysctl.value) differing.push(sysctl);
  }
  return differing;
}

/**
 * Sets the network's settings; answers with what had to be done: `set net/ipv4/ip_forward to 1`.
 *
 * At a start, switching forwarding on also sets the policy of FORWARD to DROP. While the daemon runs it does
 * not: another program has reset what was on, and the policy stays as the host has it.
 */
export async function repairSysctls(
  world: Pick<World, 'loadModule' | 'log' | 'registry' | 'rules' | 'settings' | 'sysctls'>,
  spec: NetworkSpec,
  when: When,
): Promise<string[]> {
  const differing = await differingSysctls(world, spec);
  const done = differing.map(describe);
  if (when === 'dry-run') return done;
  if (when === 'start') {
    await ensureForwarding(world, spec);
    await ensureBridgeFiltering(world, spec);
  }
  await applySysctls(world.sysctls, differing);
  return done;
}

/** A bridge that had to be made again has the kernel's defaults. */
export async function setBridgeSysctls(
  world: Pick<World, 'sysctls'>,
  spec: NetworkSpec,
  when: When,
): Promise<string[]> {
  const sysctls = segmentOf(spec).settings(spec, true);
  if (when !== 'dry-run') await applySysctls(world.sysctls, sysctls);
  return sysctls.map(describe);
}

/** Milliseconds in which every network is compared once. */
const roundMs = 500;
/** Networks that are compared at a time, few enough that no call waits: reading a value takes some 6 µs. */
const networksAtOnce = 100;

/**
 * Keeps the settings of networks. The kernel reports no change below /proc/sys, so they are read periodically.
 */
export class SettingConcern implements Concern {
  readonly name = 'settings';
  readonly signs = [];
  #next = 0;

  constructor(
    private readonly world: Pick<
      World,
      'loadModule' | 'log' | 'networkLocks' | 'registry' | 'rules' | 'settings' | 'sysctls'
    >,
  ) {}

  differences(): Promise<string[]> {
    return this.#ofAll('dry-run');
  }

  /** Does nothing at a start, which sets the settings together with the links. */
  async repair(occasion: Occasion): Promise<string[]> {
    return occasion === 'start' ? [] : this.#ofAll('running');
  }

  readonly poll: Poll = ((concern: SettingConcern) => ({
    get intervalMs() {
      const rounds = Math.ceil(concern.world.registry.networks().length / networksAtOnce);
      return roundMs / Math.max(1, rounds);
    },
    differs: () => concern.#differs(),
  }))(this);

  async #differs(): Promise<boolean> {
    const { registry, sysctls } = this.world;
    const networks = registry.networks();
    if (this.#next >= networks.length) this.#next = 0;
    const some = networks.slice(this.#next, this.#next + networksAtOnce);
    this.#next += networksAtOnce;
    // Networks share settings of the host: each file is read once.
    const values = new Map<SysctlPath, Promise<string | undefined>>();
    const read = (path: SysctlPath): Promise<string | undefined> => {
      const value = values.get(path) ?? sysctls.read(path);
      values.set(path, value);
      return value;
    };
    for (const { spec, record } of some) {
      if (record.phase !== 'ready') continue;
      if ((await differingSysctls(this.world, spec, read)).length > 0) return true;
    }
    return false;
  }

  async #ofAll(when: When): Promise<string[]> {
    const { registry, networkLocks } = this.world;
    const done = new Set<string>();
    const errors = new ErrorList();
    for (const { spec, record } of registry.networks()) {
      await errors.attempt(() =>
        networkLocks.shared(spec.id, async () => {
          if (record.phase !== 'ready') return;
          for (const line of await repairSysctls(this.world, spec, when)) done.add(line);
        }),
      );
    }
    if (errors.failed) throw new Error(errors.message);
    return [...done];
  }
}

function ownSettings({ registry }: Pick<World, 'registry'>, spec: NetworkSpec): Sysctl[] {
  const isOurs = registry.network(spec.id)?.record.bridgeMade ?? true;
  return segmentOf(spec).settings(spec, isOurs);
}

function describe({ path, value }: Sysctl): string {
  return `set ${path} to ${value}`;
}
