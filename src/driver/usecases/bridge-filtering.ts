/**
 * Frames between the ports of one bridge pass FORWARD only with br_netfilter (docs/docker-bridge.md
 * 4.6).
 */
import { DriverError } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import { familiesOf, isManaged, type NetworkSpec } from '../../core/network/network.js';
import { bridgeNfCall, forwardingOf } from '../../core/network/sysctls.js';
import type { World } from '../world.js';

/** Whether rules of the network have no effect without br_netfilter, in a family that the host forwards. */
export function needsBridgeFiltering(
  { rules, settings }: Pick<World, 'rules' | 'settings'>,
  network: NetworkSpec,
): boolean {
  // What an unmanaged bridge passes is for those who made it to decide.
  if (!isManaged(network)) return false;
  if (!settings.iptables || !network.ruleFamilies.includes(4)) return false;
  return !network.icc || (isRecent(rules) && !network.userlandProxy);
}

const isRecent = ({ generationName }: World['rules']): boolean =>
  generationName === 'docker28' || generationName === 'docker29';

/**
 * Switches br_netfilter on where rules of the network have no effect without it: without ICC, and from 28
 * on also without the userland proxy. Nothing is done for a family that the host does not forward.
 *
 * @throws {DriverError} `sysctl-failed` if the kernel cannot do it
 */
export async function ensureBridgeFiltering(
  world: Pick<World, 'loadModule' | 'log' | 'rules' | 'settings' | 'sysctls'>,
  network: NetworkSpec,
): Promise<void> {
  const { sysctls, settings } = world;
  if (!needsBridgeFiltering(world, network)) return;
  for (const { family } of familiesOf(network)) {
    if ((await sysctls.read(forwardingOf(family, network.bridge))) !== '1') continue;
    const path = bridgeNfCall[family];
    if ((await sysctls.read(path)) === undefined) await world.loadModule('br_netfilter');
    const value = await sysctls.read(path);
    if (value === '1' || (value !== undefined && (await sysctls.write(path, '1')))) continue;
    const what = isRecent(world.rules) ? ' or run without the userland proxy' : '';
    const problem =
      `cannot restrict inter-container communication${what}: please ensure that br_netfilter ` +
      'kernel module is loaded (modprobe br_netfilter)';
    // A daemon inside of a container cannot load modules; Docker gives the same advice there.
    if (!settings.ignoreBrNetfilterError) {
      const way = 'or start tsbridge with --ignore-br-netfilter-error';
      throw new DriverError('sysctl-failed', `${problem}, ${way}`);
    }
    world.log.warn({ network: shortId(network.id) }, problem);
    return;
  }
}
