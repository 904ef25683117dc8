/**
 * The rules of Docker 17.06 to 27: `DOCKER-USER` and two-stage isolation.
 *
 * Source: spec sections 1.2, 2.1, 2.2 and 3.4; texts and order as observed on 20.10.24 and 26.1.5.
 */
import { type Family, familyOf, hostCidr, isUnspecified } from '../address.js';
import { familyIn, type NetworkFamily, type NetworkSpec } from '../network.js';
import type { PortBinding } from '../port.js';
import type { BaseRules, FirewallSettings, Generation } from './generation.js';
import { loopbackNetwork } from './loopback.js';
import { type Matches, makeRule, type PlacedRule, type Target } from './rule.js';

export const docker20: Generation = {
  name: 'docker20',
  baseRules,
  networkRules,
  endpointRules: () => [],
  portRules,
};

function baseRules(family: Family, settings: FirewallSettings): BaseRules {
  const local: Matches = { localDestination: true };
  const outgoing: Matches = settings.userlandProxy
    ? { ...local, destination: { not: loopbackNetwork(family) } }
    : local;
  return {
    chains: [
      { table: 'nat', chain: 'DOCKER' },
      { table: 'filter', chain: 'DOCKER' },
      { table: 'filter', chain: 'DOCKER-ISOLATION-STAGE-1' },
      { table: 'filter', chain: 'DOCKER-ISOLATION-STAGE-2' },
      { table: 'filter', chain: 'DOCKER-USER' },
    ],
    rules: [
      { place: 'end', rule: makeRule(family, 'nat', 'PREROUTING', local, { jump: 'DOCKER' }) },
      { place: 'end', rule: makeRule(family, 'nat', 'OUTPUT', outgoing, { jump: 'DOCKER' }) },
      { place: 'head', rule: makeRule(family, 'filter', 'FORWARD', {}, { jump: 'DOCKER-USER' }) },
      {
        place: 'head',
        rule: makeRule(family, 'filter', 'FORWARD', {}, { jump: 'DOCKER-ISOLATION-STAGE-1' }),
      },
      { place: 'end', rule: makeRule(family, 'filter', 'DOCKER-ISOLATION-STAGE-1', {}, 'RETURN') },
      { place: 'end', rule: makeRule(family, 'filter', 'DOCKER-ISOLATION-STAGE-2', {}, 'RETURN') },
      { place: 'end', rule: makeRule(family, 'filter', 'DOCKER-USER', {}, 'RETURN') },
    ],
  };
}

function networkRules(
  network: NetworkSpec,
  family: Family,
  settings: FirewallSettings,
): PlacedRule[] {
  const own = familyIn(network, family);
  if (network.internal) return own === undefined ? [] : internalRules(network, own);
  // Docker isolates a network in both families even if it has only one.
  if (own === undefined) return isolationRules(network, family);
  return [
    ...natRules(network, own, settings),
    iccRule(network, family),
    ...forwardRules(network, family),
    ...isolationRules(network, family),
  ];
}

/** Nothing passes between the bridge and addresses outside of its subnet. */
function internalRules(network: NetworkSpec, own: NetworkFamily): PlacedRule[] {
  const { bridge } = network;
  const { family, subnet } = own;
  // 26.1: link-local and multicast inside the bridge go on working for IPv6.
  const leaving: Matches = family === 6 ? { outInterface: { not: bridge } } : {};
  const entering: Matches = family === 6 ? { inInterface: { not: bridge } } : {};
  const stage1 = (matches: Matches): PlacedRule => ({
    place: 'top',
    rule: makeRule(family, 'filter', 'DOCKER-ISOLATION-STAGE-1', matches, 'DROP'),
  });
  return [
    stage1({ ...leaving, inInterface: bridge, destination: { not: subnet } }),
    stage1({ ...entering, outInterface: bridge, source: { not: subnet } }),
    iccRule(network, family),
  ];
}

function natRules(
  network: NetworkSpec,
  own: NetworkFamily,
  settings: FirewallSettings,
): PlacedRule[] {
  const { bridge } = network;
  const { family, subnet, hostAddress } = own;
  const translate: Target = hostAddress === undefined ? 'MASQUERADE' : { snat: hostAddress };
  const rules: PlacedRule[] = [];
  if (network.masquerade) {
    const outward: Matches = { source: subnet, outInterface: { not: bridge } };
    rules.push({
      place: 'top',
      rule: makeRule(family, 'nat', 'POSTROUTING', outward, translate),
    });
    if (settings.userlandProxy) {
      rules.push({
        place: 'top',
        rule: makeRule(family, 'nat', 'DOCKER', { inInterface: bridge }, 'RETURN'),
      });
    }
  }
  if (!settings.userlandProxy) {
    const fromHost: Matches = { localSource: true, outInterface: bridge };
    rules.push({
      place: 'top',
      rule: makeRule(family, 'nat', 'POSTROUTING', fromHost, translate),
    });
  }
  return rules;
}

/** Between containers of the network: accepted above, or dropped at the very end of FORWARD. */
function iccRule(network: NetworkSpec, family: Family): PlacedRule {
  const inside: Matches = { inInterface: network.bridge, outInterface: network.bridge };
  return network.icc
    ? { place: 'top', rule: makeRule(family, 'filter', 'FORWARD', inside, 'ACCEPT') }
    : { place: 'end', rule: makeRule(family, 'filter', 'FORWARD', inside, 'DROP') };
}

function forwardRules({ bridge }: NetworkSpec, family: Family): PlacedRule[] {
  const forward = (matches: Matches, target: Target): PlacedRule => ({
    place: 'top',
    rule: makeRule(family, 'filter', 'FORWARD', matches, target),
  });
  return [
    forward({ inInterface: bridge, outInterface: { not: bridge } }, 'ACCEPT'),
    forward({ outInterface: bridge }, { jump: 'DOCKER' }),
    forward({ outInterface: bridge, established: true }, 'ACCEPT'),
  ];
}

function isolationRules({ bridge }: NetworkSpec, family: Family): PlacedRule[] {
  const leaving: Matches = { inInterface: bridge, outInterface: { not: bridge } };
  const stage2 = { jump: 'DOCKER-ISOLATION-STAGE-2' } as const;
  return [
    {
      place: 'top',
      rule: makeRule(family, 'filter', 'DOCKER-ISOLATION-STAGE-1', leaving, stage2),
    },
    {
      place: 'top',
      rule: makeRule(
        family,
        'filter',
        'DOCKER-ISOLATION-STAGE-2',
        { outInterface: bridge },
        'DROP',
      ),
    },
  ];
}

function portRules(
  { bridge }: NetworkSpec,
  binding: PortBinding,
  settings: FirewallSettings,
): PlacedRule[] {
  const family = familyOf(binding.hostIp);
  if (family !== familyOf(binding.containerIp)) return [];
  const { protocol, containerPort } = binding;
  const container = hostCidr(binding.containerIp);
  const end = (rule: PlacedRule['rule']): PlacedRule => ({ place: 'end', rule });
  const published: Matches = {
    protocol,
    destinationPort: binding.hostPort,
    ...(isUnspecified(binding.hostIp) ? {} : { destination: hostCidr(binding.hostIp) }),
    // With the proxy on, containers of the network reach the port through the proxy.
    ...(settings.userlandProxy ? { inInterface: { not: bridge } } : {}),
  };
  const dnat: Target = { dnat: { address: binding.containerIp, port: containerPort } };
  const toContainer: Matches = {
    protocol,
    destination: container,
    destinationPort: containerPort,
    inInterface: { not: bridge },
    outInterface: bridge,
  };
  const toItself: Matches = {
    protocol,
    source: container,
    destination: container,
    destinationPort: containerPort,
  };
  const rules = [
    end(makeRule(family, 'nat', 'DOCKER', published, dnat)),
    end(makeRule(family, 'filter', 'DOCKER', toContainer, 'ACCEPT')),
    end(makeRule(family, 'nat', 'POSTROUTING', toItself, 'MASQUERADE')),
  ];
  if (protocol === 'sctp') {
    const answers: Matches = { protocol, sourcePort: containerPort };
    rules.push(end(makeRule(family, 'mangle', 'POSTROUTING', answers, 'CHECKSUM')));
  }
  return rules;
}
