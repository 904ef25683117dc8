/** Frames between the ports of one bridge pass FORWARD only with br_netfilter (spec section 4.7). */
import { DriverError } from '../core/errors.js';
import { familiesOf, type NetworkSpec } from '../core/network.js';
import { bridgeNfCall, forwardingOf } from '../core/sysctls.js';
import type { World } from './world.js';

/** Whether the rules of the network count on it, in the families that the host forwards. */
export function needsBridgeFiltering({ rules, settings }: World, network: NetworkSpec): boolean {
  const recent = rules.generationName === 'docker28' || rules.generationName === 'docker29';
  return settings.iptables && (!network.icc || (recent && !settings.userlandProxy));
}

/**
 * Switches it on where the rules of the network count on it: without ICC, and from 28 on also
 * without the userland proxy. Nothing is done for a family that the host does not forward.
 *
 * @throws {DriverError} `sysctl-failed` if the kernel cannot do it
 */
export async function ensureBridgeFiltering(world: World, network: NetworkSpec): Promise<void> {
  const { sysctls } = world;
  if (!needsBridgeFiltering(world, network)) return;
  for (const { family } of familiesOf(network)) {
    if ((await sysctls.read(forwardingOf(family, network.bridge))) !== '1') continue;
    const path = bridgeNfCall[family];
    if ((await sysctls.read(path)) === undefined) await world.loadModule('br_netfilter');
    const value = await sysctls.read(path);
    if (value === '1' || (value !== undefined && (await sysctls.write(path, '1')))) continue;
    throw new DriverError(
      'sysctl-failed',
      'cannot restrict inter-container communication: please ensure that br_netfilter kernel ' +
        'module is loaded (modprobe br_netfilter)',
    );
  }
}
