/**
 * Checks whether this host can enforce the options of the passage (`core/network/passage.ts`). Where it cannot, the call is
 * refused, since traffic would pass that the option forbids. An address that the host may still get is only logged.
 */
import { background } from '../../background.js';
import { familyOf } from '../../core/address.js';
import { DriverError } from '../../core/errors.js';
import { isHeld } from '../../core/generations/own-options/egress.js';
import { isGuarded } from '../../core/generations/own-options/passage.js';
import { familiesOf, type NetworkSpec } from '../../core/network/network.js';
import { type Passage, passageOf } from '../../core/network/passage.js';
import type { PortGroup } from '../../core/ports/requests.js';
import type { EndpointState } from '../state/registry.js';
import type { World } from '../world.js';

/** Whether `tsbridge.publish_from` limits who reaches ports of the endpoint. */
export function isGuardedEndpoint({ spec, network }: EndpointState): boolean {
  return isGuarded(passageOf(network.spec, spec).publishFrom);
}

/**
 * @param passage of the network, or of one of its endpoints
 * @throws {DriverError} `options-invalid`: containers could open connections that the option forbids, or would leave with
 *   another address than the one that is asked for
 */
export function refuseUnheld(
  { rules }: Pick<World, 'rules'>,
  network: NetworkSpec,
  passage: Passage | undefined,
): void {
  if (passage === undefined) return;
  const { egressAllow, egressIp, publishFrom } = passage;
  const names = [
    ...(isHeld(egressAllow) ? ['tsbridge.egress_allow'] : []),
    ...(isGuarded(publishFrom) ? ['tsbridge.publish_from'] : []),
    ...(egressIp === undefined || egressIp === 'none' ? [] : ['tsbridge.egress_ip']),
  ];
  if (names.length === 0) return;
  for (const { family } of familiesOf(network)) {
    const why = rules.whyUnguarded(family);
    if (why === undefined) continue;
    throw new DriverError(
      'options-invalid',
      `${names.join(' and ')} cannot be kept for IPv${family}: ${why}; leave it out, or use a network without IPv${family}`,
    );
  }
}

/** @throws {DriverError} `options-invalid`: others than those of `tsbridge.publish_from` would reach a port */
export function refuseUnguarded(
  { rules }: Pick<World, 'rules'>,
  state: EndpointState,
  groups: readonly PortGroup[],
): void {
  if (!isGuardedEndpoint(state)) return;
  for (const { addresses } of groups) {
    for (const { hostIp } of addresses) {
      const family = familyOf(hostIp);
      const why = rules.whyUnguarded(family);
      if (why === undefined) continue;
      const only = family === 6 ? '-p 0.0.0.0:PORT:PORT' : '-p [::]:PORT:PORT';
      throw new DriverError(
        'options-invalid',
        `tsbridge.publish_from cannot be kept for ports on ${hostIp}: ${why}; publish them on an address of the other family only (${only}), or leave the option out`,
      );
    }
  }
}

/** Logs an address that the host does not have: until it has it, containers reach nothing outside. */
export function warnOfEgressIp(
  { links, log }: Pick<World, 'links' | 'log'>,
  passage: Passage | undefined,
  label: string,
): void {
  const { egressIp } = passage ?? {};
  if (typeof egressIp !== 'object') return;
  for (const address of Object.values(egressIp)) {
    background(log, 'looking for an address', async () => {
      if (await links.hasAddress(address)) return;
      log.warn(
        { address },
        `tsbridge.egress_ip=${address} of ${label} is on no interface of this host: answers to its containers get lost until it is (ip address add ${address}/PREFIX dev INTERFACE)`,
      );
    });
  }
}
