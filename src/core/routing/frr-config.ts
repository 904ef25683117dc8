/**
 * The text that an administrator adds to FRR's configuration, once, so that other hosts learn the networks of this one.
 * tsbridge prints it and never writes FRR's files, which are the administrator's; `tsbridge doctor` reads them.
 *
 * FRR sees a network's subnet as a connected route while the bridge has a carrier: from its first container to its
 * last. So `redistribute connected` announces a new network without any further change. FRR calls a route with our
 * protocol number (201) `kernel`, as any number that it does not know: prefix lists keep the routes of other programs
 * back.
 */
import { type Cidr, cidrText, type Family } from '../address.js';
import { type BgpRequest, type FrrRequest, longestSubnet, type OspfRequest } from './request.js';

/** Names of the route maps, by what these let pass. The prefix lists of a route map have its name. */
export const subnetsMap = 'TSBRIDGE-SUBNETS';
export const addressesMap = 'TSBRIDGE-ADDRESSES';
const inMap = 'TSBRIDGE-IN';
const outMap = 'TSBRIDGE-OUT';

/** How many bits an address has. */
const bits: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };
const word: Readonly<Record<Family, 'ip' | 'ipv6'>> = { 4: 'ip', 6: 'ipv6' };

/** The text, with a newline at its end. */
export function frrConfig(request: FrrRequest): string {
  const parts = [
    header(request),
    prefixLists(request),
    routeMaps(request),
    request.protocol === 'bgp' ? bgp(request) : ospf(request),
  ];
  return `${parts.flat().join('\n')}\n`;
}

function header({ protocol, pools }: FrrRequest): string[] {
  const all = pools.map(cidrText).join(',');
  return [
    `! Networks of tsbridge for other hosts, by ${protocol === 'bgp' ? 'BGP without addresses on the links (unnumbered)' : 'OSPF'}.`,
    `! Add this to /etc/frr/frr.conf, say ${protocol}d=yes in /etc/frr/daemons, then: systemctl restart frr`,
    '! Once is enough: a new network is announced with its first container. What is missing: tsbridge doctor',
    "! Hosts reach each other's containers if their networks allow it; with the ranges of all hosts in place of this host's:",
    `!   docker network create -d tsbridge -o tsbridge.accept_from=${all} -o tsbridge.no_masquerade_to=${all} ...`,
  ];
}

function prefixLists({ pools, hostRoutes }: FrrRequest): string[] {
  return [
    '!',
    "! Subnets within the ranges of this host's networks, and no other network that the host is in.",
    ...numbered(pools, (pool, seq) => {
      const longest = longestSubnet[pool.family];
      const le = pool.prefixLength < longest ? ` le ${longest}` : '';
      return `${listLine(pool, subnetsMap, seq)}${le}`;
    }),
    '! Single containers (tsbridge.announce=addresses); longer than any subnet, so that one with announce=none stays hidden.',
    ...numbered(pools, (pool, seq) => {
      return `${listLine(pool, addressesMap, seq)} ge ${bits[pool.family]}`;
    }),
    ...(hostRoutes.length === 0 ? [] : ['! Prefixes behind containers (tsbridge.host_routes).']),
    ...numbered(hostRoutes, (range, seq) => {
      const most = bits[range.family];
      const le = range.prefixLength < most ? ` le ${most}` : '';
      return `${listLine(range, addressesMap, seq + behind)}${le}`;
    }),
  ];
}

/** Added to the sequence numbers of --host-routes: in their list up to 200 pools stand before them. */
const behind = 1_000;

/** Lines with sequence numbers 5, 10, 15, …, as FRR itself numbers them. */
const numbered = (cidrs: readonly Cidr[], line: (cidr: Cidr, seq: number) => string) =>
  cidrs.map((cidr, index) => line(cidr, (index + 1) * 5));

const listLine = (cidr: Cidr, name: string, seq: number) =>
  `${word[cidr.family]} prefix-list ${name} seq ${seq} permit ${cidrText(cidr)}`;

/**
 * One route map for both families, with an entry for each: a route of the other family does not fit the entry's
 * `match`, and goes on to the next entry.
 */
function routeMaps(request: FrrRequest): string[] {
  const map = (name: string, cidrs: readonly Cidr[]) =>
    familiesOf(cidrs).flatMap((family, index) => [
      `route-map ${name} permit ${(index + 1) * 10}`,
      ` match ${word[family]} address prefix-list ${name}`,
      'exit',
    ]);
  return [
    '!',
    ...map(subnetsMap, request.pools),
    ...map(addressesMap, [...request.pools, ...request.hostRoutes]),
  ];
}

const familiesOf = (cidrs: readonly Cidr[]): Family[] =>
  ([4, 6] as const).filter((family) => cidrs.some((cidr) => cidr.family === family));

/** `connected`: the subnets of bridges. `kernel`: routes that other programs than FRR made, among them ours. */
const redistributed = [
  `redistribute connected route-map ${subnetsMap}`,
  `redistribute kernel route-map ${addressesMap}`,
];

function bgp({ as, interfaces, pools, hostRoutes, routerId }: BgpRequest): string[] {
  const families = familiesOf([...pools, ...hostRoutes]);
  return [
    '!',
    "! Only what begins here goes out (an empty path), so that no other host's traffic passes through this one.",
    `bgp as-path access-list ${outMap} seq 5 permit ^$`,
    `route-map ${outMap} permit 10`,
    ` match as-path ${outMap}`,
    'exit',
    '! What the neighbours tell is taken as it is; a place for your own policy.',
    `route-map ${inMap} permit 10`,
    'exit',
    '!',
    `router bgp ${as}`,
    ...(routerId === undefined ? [] : [` bgp router-id ${routerId}`]),
    ...(interfaces.length > 1
      ? [' ! The same network by several links: all of them are used.']
      : []),
    ...(interfaces.length > 1 ? [' bgp bestpath as-path multipath-relax'] : []),
    ' ! A host that dies without a word is noticed after 9 s; a neighbour that comes back, after 1 s.',
    ...interfaces.flatMap((name) => [
      ` neighbor ${name} interface remote-as external`,
      ` neighbor ${name} timers 3 9`,
      ` neighbor ${name} timers connect 1`,
    ]),
    ...families.flatMap((family) => [
      ` address-family ipv${family} unicast`,
      ...redistributed.map((line) => `  ${line}`),
      ...interfaces.flatMap((name) => [
        `  neighbor ${name} activate`,
        `  neighbor ${name} route-map ${inMap} in`,
        `  neighbor ${name} route-map ${outMap} out`,
      ]),
      ' exit-address-family',
    ]),
    'exit',
  ];
}

function ospf({ area, interfaces, routerId }: OspfRequest): string[] {
  return [
    ...interfaces.flatMap((name) => [
      '!',
      '! Hosts on one switch, each the neighbour of each; a host that dies is noticed after 4 s.',
      `interface ${name}`,
      ` ip ospf area ${area}`,
      ' ip ospf network point-to-multipoint',
      ' ip ospf hello-interval 1',
      ' ip ospf dead-interval 4',
      'exit',
    ]),
    '!',
    'router ospf',
    ...(routerId === undefined ? [] : [` ospf router-id ${routerId}`]),
    ...redistributed.map((line) => ` ${line}`),
    ' ! A new network is told, believed and found at once, also one that comes and goes; only many changes in a row wait.',
    ' timers throttle lsa all 0',
    ' timers lsa min-arrival 0',
    ' timers throttle spf 0 50 500',
    'exit',
  ];
}
