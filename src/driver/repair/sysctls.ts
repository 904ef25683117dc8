/** Settings below /proc/sys that a network counts on: what they should be, and what differs. */
import { familiesOf, type NetworkSpec } from '../../core/network/network.js';
import {
  bridgeNfCall,
  bridgeSysctls,
  forwardingOf,
  type Sysctl,
  type SysctlPath,
} from '../../core/network/sysctls.js';
import { applySysctls } from '../usecases/apply.js';
import { ensureBridgeFiltering, needsBridgeFiltering } from '../usecases/bridge-filtering.js';
import { ensureForwarding, forwardingPaths } from '../usecases/forwarding.js';
import type { World } from '../world.js';

type Read = (path: SysctlPath) => Promise<string | undefined>;

/** Those that are there with another value. @param read for callers that ask for many networks */
export async function differingSysctls(
  world: World,
  spec: NetworkSpec,
  read: Read = (path) => world.sysctls.read(path),
): Promise<Sysctl[]> {
  const wanted = bridgeSysctls(spec);
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
 * Puts them right; answers with what had to be done: `set net/ipv4/ip_forward to 1`.
 *
 * Whoever switches forwarding on makes the policy of FORWARD DROP. Only a start does so here: what
 * was reset while we ran had been on, with whatever policy the host has.
 */
export async function repairSysctls(
  world: World,
  spec: NetworkSpec,
  when: 'start' | 'running' | 'dry-run',
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
export async function setBridgeSysctls(world: World, spec: NetworkSpec): Promise<string[]> {
  const sysctls = bridgeSysctls(spec);
  await applySysctls(world.sysctls, sysctls);
  return sysctls.map(describe);
}

function describe({ path, value }: Sysctl): string {
  return `set ${path} to ${value}`;
}
