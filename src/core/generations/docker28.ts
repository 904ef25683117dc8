/**
 * The rules of Docker 28.0.1 to 28.5: `DOCKER-FORWARD`, and two-stage isolation inside it.
 *
 * Source: docs/docker-bridge.md 1.2, 2.3 and 3.4; texts and order as observed on 28.5.2. Rules of
 * 28.0 and 28.1 that 28.2 replaced (raw drops for each published port, RETURN in DOCKER-USER) are
 * not written.
 */
import type { Family } from '../address.js';
import { familyIn, type NetworkFamily, type NetworkSpec } from '../network/network.js';
import { orderPortGroups } from '../ports/order.js';
import { type Matches, type PlacedRule, place, type Target } from '../rules/rule.js';
import {
  directAccessDrops,
  forwardChainBase,
  forwardChainRules,
  internalIcc,
  publishedPortRules,
  routedPortRules,
} from './common-28-29.js';
import type { FirewallSettings, Generation } from './generation.js';
import { internalDrops } from './internal-drops.js';
import { apartRawRules } from './own-options/accept-from.js';
import { proxyReturn } from './ports/nat.js';

export const docker28: Generation = {
  name: 'docker28',
  baseRules: (family, settings) =>
    forwardChainBase(family, settings, ['DOCKER-ISOLATION-STAGE-1', 'DOCKER-ISOLATION-STAGE-2']),
  networkRules,
  lanRules: (bridge, family) => [internalIcc({ bridge, icc: true }, family)],
  endpointRules: directAccessDrops,
  apartRules: apartRawRules,
  portRules: publishedPortRules,
  routedPortRules,
  orderBindings: orderPortGroups,
};

function networkRules(
  network: NetworkSpec,
  family: Family,
  settings: FirewallSettings,
): PlacedRule[] {
  const { bridge } = network;
  const own = familyIn(network, family);
  if (own === undefined) return [];
  if (network.internal) {
    return [
      ...internalDrops(bridge, own, 'DOCKER-ISOLATION-STAGE-1'),
      internalIcc(network, family),
    ];
  }
  const byProxy = network.masquerade && settings.userlandProxy;
  return [
    ...(byProxy ? [proxyReturn(bridge, family)] : []),
    ...forwardChainRules(network, own, settings),
    ...isolationRules(network, own),
  ];
}

function isolationRules({ bridge }: NetworkSpec, own: NetworkFamily): PlacedRule[] {
  const { family, gatewayMode } = own;
  const stage1 = (where: 'top' | 'end', matches: Matches, target: Target): PlacedRule =>
    place(where, family, 'filter', 'DOCKER-ISOLATION-STAGE-1', matches, target);
  // Networks in mode `routed` can be reached from the others; chain DOCKER accepts their open ports.
  const reachable = [
    stage1('top', { outInterface: bridge }, 'RETURN'),
    stage1('top', { inInterface: bridge, established: true }, 'ACCEPT'),
  ];
  return [
    ...(gatewayMode === 'routed' ? reachable : []),
    stage1(
      'end',
      { inInterface: bridge, outInterface: { not: bridge } },
      { jump: 'DOCKER-ISOLATION-STAGE-2' },
    ),
    place('top', family, 'filter', 'DOCKER-ISOLATION-STAGE-2', { outInterface: bridge }, 'DROP'),
  ];
}
