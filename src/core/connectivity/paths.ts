/**
 * Which connections of a network work and which do not, from its options and the generation of its rules alone. The
 * paragraphs are those of docs/docker-bridge.md. Families without rules of their own are left out: nothing is promised
 * for them.
 */
import { familyOf, isLoopback, isUnspecified } from '../address.js';
import type { GenerationName } from '../generations/generation.js';
import type { NetworkSpec } from '../network/network.js';
import { familiesOf } from '../network/network.js';
import { direct } from './direct-paths.js';
import type { HostSettings, PathTest } from './path.js';
import { type Expected, no, type Situation, test, yes } from './situation.js';

/** In the order in which a report lists them. */
export function pathsOf(
  network: NetworkSpec,
  generation: GenerationName,
  host: HostSettings,
): PathTest[] {
  return familiesOf(network)
    .filter(({ family }) => network.ruleFamilies.includes(family))
    .flatMap((own) => {
      const situation = { network, own, family: own.family, generation, host };
      return [
        ...inside(situation),
        ...outward(situation),
        ...published(situation),
        ...direct(situation),
      ];
    })
    .concat(toIpv4ByProxy(network, generation, host));
}

/** 3.2, 3.6: who comes by IPv6 reaches a network that has only IPv4. */
function toIpv4ByProxy(
  { ipv4, ipv6, internal, hostBinding, userlandProxy }: NetworkSpec,
  generation: GenerationName,
  { ipv6: hasIpv6 }: HostSettings,
): PathTest[] {
  const noPort = ipv4 === undefined || ipv4.gatewayMode === 'routed' || internal;
  if (noPort || ipv6 !== undefined || hostBinding !== undefined) return [];
  if (!userlandProxy || generation === 'docker17' || !hasIpv6) return [];
  return [
    {
      name: 'outside-to-published-port',
      family: 6,
      probe: 'tcp',
      from: 'outside',
      to: { at: 'host-port', by: 'uplink' },
      ...yes('gateway', 'the userland proxy carries it to IPv4'),
    },
  ];
}

const both = ['tcp', 'udp'] as const;

/** 2.5, 4.5 */
function inside(situation: Situation): PathTest[] {
  const { network, own } = situation;
  const isolated = network.portIsolation === true || !network.icc;
  const gateway = own.bridgeAddress !== undefined && own.gatewayMode !== 'isolated';
  const hasGateway = gateway && !(own.family === 4 && network.inhibitIpv4);
  const to = { at: 'container', port: 'unpublished' } as const;
  return [
    ...test(
      situation,
      'container-to-container',
      'first',
      to,
      isolated
        ? no(network.icc ? 'port_isolation isolates containers' : 'enable_icc=false')
        : yes('itself', 'containers of one network reach each other'),
      both,
    ),
    ...(hasGateway
      ? test(
          situation,
          'container-to-gateway',
          'first',
          { at: 'gateway' },
          yes('any', "the bridge has the network's gateway address"),
          ['ping'],
        )
      : []),
  ];
}

/** 2.6 to 2.9 */
function outward(situation: Situation): PathTest[] {
  const { network } = situation;
  const to = { at: 'outside' } as const;
  if (network.internal) {
    const expected = no('an internal network has no way out');
    return test(situation, 'container-to-outside', 'first', to, expected, both);
  }
  const seen = seenOutside(situation);
  return [
    ...test(situation, 'container-to-outside', 'first', to, seen, both),
    ...test(situation, 'full-size-to-outside', 'first', to, seen, ['packet']),
  ];
}

function seenOutside(situation: Situation): Expected {
  const { network, own } = situation;
  if (own.gatewayMode === 'routed') {
    return yes('itself', 'mode routed keeps the address of the container');
  }
  if (!network.masquerade) {
    return closesAddresses(situation)
      ? no(
          "enable_ip_masquerade=false: answers come to the container's own address, which is closed",
        )
      : yes('itself', 'enable_ip_masquerade=false');
  }
  if (own.hostAddress !== undefined) return yes('option', 'the option host_ipv4 or host_ipv6');
  return yes('uplink', 'masqueraded');
}

/** Table raw drops what comes to containers' own addresses, before it is known whether it is an answer: 3.5. */
function closesAddresses({ network, own, generation }: Situation): boolean {
  const recent = generation === 'docker28' || generation === 'docker29';
  return recent && own.gatewayMode === 'nat' && !network.allowDirectRouting;
}

/** At which addresses of the host a published port of the family is open: 3.2. */
type Place = 'everywhere' | 'loopback' | 'address' | 'nowhere';

function placeOf({ network, own }: Situation): Place {
  const { hostBinding } = network;
  if (network.internal || own.gatewayMode === 'routed' || own.gatewayMode === 'isolated') {
    return 'nowhere';
  }
  if (hostBinding === undefined) return 'everywhere';
  if (familyOf(hostBinding) !== own.family) return 'nowhere';
  if (isUnspecified(hostBinding)) return 'everywhere';
  return isLoopback(hostBinding) ? 'loopback' : 'address';
}

/** 3.4, 3.6, 3.7 */
function published(situation: Situation): PathTest[] {
  const place = placeOf(situation);
  const { network, family } = situation;
  if (place === 'nowhere') return [];
  const at = (by: 'uplink' | 'loopback' | 'binding') => ({ at: 'host-port', by }) as const;
  const reachable = at(place === 'address' ? 'binding' : 'uplink');
  const elsewhere = no(`the port is published on ${network.hostBinding} alone`);
  const isLocal = place === 'loopback';
  const loopback = at('loopback');
  return [
    ...test(
      situation,
      'outside-to-published-port',
      'outside',
      reachable,
      isLocal ? elsewhere : yes('itself', 'rules lead it to the container'),
      both,
    ),
    ...test(
      situation,
      'host-to-published-port',
      'host',
      reachable,
      isLocal ? elsewhere : yes('any', 'rules lead it to the container'),
    ),
    ...(place === 'address'
      ? []
      : test(situation, 'host-to-loopback-port', 'host', loopback, byLoopback(situation), both)),
    ...(isLocal
      ? []
      : [
          ...test(
            situation,
            'container-to-published-port',
            'first',
            reachable,
            hairpin(situation, 'neighbour'),
          ),
          ...test(
            situation,
            'container-to-own-published-port',
            'second',
            reachable,
            hairpin(situation, 'itself'),
          ),
          ...test(
            situation,
            'other-network-to-published-port',
            'other',
            reachable,
            fromOther(situation),
          ),
          ...afterReplacement(situation, reachable),
        ]),
  ].filter((each) => each.family === family);
}

/**
 * Only UDP is tried (docs/docker-bridge.md 3.9): a UDP flow has no end of its own, so it could go on leading to the
 * former container.
 */
function afterReplacement(situation: Situation, to: PathTest['to']): PathTest[] {
  const expected = yes('itself', 'flows to the former container are forgotten');
  return test(situation, 'outside-to-replaced-container', 'outside', to, expected, ['udp']).map(
    (each) => ({ ...each, replaced: true }),
  );
}

function byLoopback({ network, family }: Situation): Expected {
  if (network.userlandProxy) return yes('gateway', 'the userland proxy carries it');
  if (family === 6) return no('without the userland proxy there is no way from ::1');
  return yes('any', 'without the userland proxy, rules and route_localnet lead it there');
}

/** A container that asks for a port which its own network publishes. */
function hairpin(situation: Situation, who: 'neighbour' | 'itself'): Expected {
  const { network, family, generation, host } = situation;
  if (network.userlandProxy) return yes('gateway', 'the userland proxy carries it');
  if (!network.icc)
    return no('enable_icc=false, and without the userland proxy rules lead it back');
  if (who === 'itself')
    return yes('gateway', 'rules lead it back, with the address of the gateway');
  // The answer passes the bridge as a frame: without br_netfilter its addresses are not translated back.
  return host.bridgeFiltered[family]
    ? yes('any', 'rules lead it to the neighbour')
    : no(`the answer is not translated back: br_netfilter is off (${generation})`);
}

/** A container of another network, by the host's address. */
function fromOther({ network, generation }: Situation): Expected {
  if (generation === 'docker29') {
    return yes('gateway', 'no network is isolated from published ports');
  }
  return network.userlandProxy
    ? yes('gateway', 'the userland proxy carries it')
    : no('networks are isolated from each other, and no proxy carries it');
}
