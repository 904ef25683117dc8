/**
 * Checks of how other hosts learn the networks of this one: by FRR, which runs beside tsbridge and which the
 * administrator configures.
 */
import { type Cidr, cidrText, contains, sameCidr } from '../../address.js';
import { familyIn, isManaged } from '../../network/network.js';
import { subnetsMap } from '../../routing/frr-config.js';
import { check, shell, wholeHost } from '../check.js';
import type { FactParts, KnownNetwork } from '../facts.js';
import type { FrrConfig, ListedPrefix, RoutingFacts } from '../routing-facts.js';

/** The daemon of each protocol. */
const daemonOf = { bgp: 'bgpd', ospf: 'ospfd' } as const;

const announced = ({ networks }: FactParts['records']): readonly KnownNetwork[] =>
  networks.filter(({ spec }) => isManaged(spec) && !spec.internal && spec.announce !== 'none');

const withAddresses = (records: FactParts['records']) =>
  announced(records).filter(({ spec }) => spec.announce === 'addresses');

/** Whether the configuration has what `tsbridge frr-config` prints. */
const isOurs = ({ lists }: FrrConfig): boolean =>
  lists.some(({ list, isPermitted }) => list === subnetsMap && isPermitted);

const fits = ({ cidr, least, most }: ListedPrefix, subnet: Cidr): boolean =>
  cidr.family === subnet.family &&
  contains(cidr, subnet.address) &&
  subnet.prefixLength >= least &&
  subnet.prefixLength <= most;

/** The IPv4 entries of the list, in the order in which FRR goes through them. */
function entriesOf({ lists }: FrrConfig): readonly ListedPrefix[] {
  let last = 0;
  return lists
    .filter(({ list, cidr }) => list === subnetsMap && cidr.family === 4)
    .map((entry) => {
      const sequence = entry.sequence ?? last + 5;
      last = Math.max(last, sequence);
      return { ...entry, sequence };
    })
    .sort((one, other) => one.sequence - other.sequence);
}

/**
 * Daemons of FRR that should run and do not. If /etc/frr/frr.conf has the lines of `tsbridge frr-config`: zebra, and
 * the daemon of each `router` line. Else `bgpd or ospfd`, if a network announces addresses and neither of the two runs.
 */
function missingDaemons({ records, routing }: Pick<FactParts, 'records' | 'routing'>): string[] {
  const { daemons, written } = routing;
  const isMissing = (name: string) => !daemons.includes(name);
  if (isOurs(written)) {
    return ['zebra', ...written.protocols.map((protocol) => daemonOf[protocol])].filter(isMissing);
  }
  const isNeeded = withAddresses(records).length > 0;
  return isNeeded && Object.values(daemonOf).every(isMissing) ? ['bgpd or ospfd'] : [];
}

/** The configuration that FRR runs with; undefined: neither bgpd nor ospfd runs, or FRR cannot be asked. */
const announcing = ({ daemons, running }: RoutingFacts): FrrConfig | undefined =>
  Object.values(daemonOf).some((name) => daemons.includes(name)) ? running : undefined;

/** Whether FRR redistributes routes of this source (`connected`, `kernel`) in an address family that one of the networks has. */
const redistributes = (
  { redistributed }: FrrConfig,
  wanted: string,
  networks: readonly KnownNetwork[],
): boolean =>
  redistributed.some(
    ({ source, family }) =>
      source === wanted && networks.some(({ spec }) => familyIn(spec, family) !== undefined),
  );

/** Whether FRR announces connected routes of IPv4 only through the route map of `tsbridge frr-config`, which asks its list. */
const isByList = ({ redistributed }: FrrConfig): boolean =>
  redistributed.every(
    ({ source, family, map }) => source !== 'connected' || family !== 4 || map === subnetsMap,
  );

const configCommand = ({ daemons }: RoutingFacts): string =>
  `tsbridge frr-config ${daemons.includes('bgpd') ? 'bgp' : 'ospf'} --help`;

export const routingChecks = [
  check({
    code: 'frr-not-running',
    severity: 'error',
    detects:
      'FRR’s configuration announces networks of tsbridge, or a network has tsbridge.announce=addresses, and a daemon of FRR does not run.',
    means:
      'Other hosts have no routes to containers of this one, nor this one to theirs; published ports are not touched.',
    remedy:
      'The command starts FRR anew. A daemon that still does not run has no line (bgpd=yes, ospfd=yes) in /etc/frr/daemons. Without FRR: tsbridge.remote_routes on the other hosts.',
    hides: ['frr-not-announcing', 'frr-addresses-not-announced', 'frr-route-unseen'],
    needs: ['records', 'routing'],
    find(facts) {
      const missing = missingDaemons(facts);
      if (missing.length === 0 || announced(facts.records).length === 0) return [];
      const why = isOurs(facts.routing.written)
        ? `/etc/frr/frr.conf has ${subnetsMap}`
        : `${withAddresses(facts.records)[0]?.name} has announce=addresses`;
      const evidence = `${missing.join(', ')} does not run; ${why}`;
      return [{ object: wholeHost, evidence, command: 'systemctl restart frr' }];
    },
  }),
  check({
    code: 'frr-not-announcing',
    severity: 'notice',
    detects: 'FRR runs with bgpd or ospfd and does not redistribute connected routes.',
    means: 'Other hosts learn no network of this one by itself.',
    remedy:
      'Nothing is wrong if they are not to. Else the command says how to print what to add to FRR’s configuration (docs/hosts.md).',
    needs: ['records', 'routing'],
    find({ records, routing }) {
      const running = announcing(routing);
      const networks = announced(records);
      if (running === undefined || networks.length === 0) return [];
      if (redistributes(running, 'connected', networks)) return [];
      const evidence = `no “redistribute connected” in FRR’s running configuration; ${networks.length} networks`;
      return [{ object: wholeHost, evidence, command: configCommand(routing) }];
    },
  }),
  check({
    code: 'frr-addresses-not-announced',
    severity: 'warning',
    detects:
      'A network has tsbridge.announce=addresses, and FRR runs with bgpd or ospfd and does not redistribute kernel routes.',
    means: 'Other hosts do not learn the addresses of single containers.',
    remedy: 'The command says how to print what to add to FRR’s configuration (docs/hosts.md).',
    needs: ['records', 'routing'],
    find({ records, routing }) {
      const running = announcing(routing);
      const networks = withAddresses(records);
      if (running === undefined || redistributes(running, 'kernel', networks)) return [];
      const evidence = 'no “redistribute kernel” in FRR’s running configuration';
      const command = configCommand(routing);
      return networks.map(({ name }) => ({ object: name, evidence, command }));
    },
  }),
  check({
    code: 'frr-range-missing',
    severity: 'warning',
    detects:
      'The subnet of a network is in none of the ranges that FRR’s configuration announces (prefix list TSBRIDGE-SUBNETS).',
    means: 'Other hosts do not learn the network.',
    remedy:
      'The command adds the subnet to the list of the running FRR, and keeps it; better name the range that it is from. If an entry of the list denies the subnet, the command shows the list. A network that is not to be announced says so with tsbridge.announce=none.',
    needs: ['records', 'routing'],
    find({ records, routing }) {
      const running = announcing(routing);
      if (running === undefined || !isOurs(running) || !isByList(running)) return [];
      const entries = entriesOf(running);
      const ranges = entries.filter(({ isPermitted }) => isPermitted);
      return announced(records).flatMap(({ spec, name }) => {
        const subnet = spec.ipv4?.subnet;
        if (subnet === undefined) return [];
        const decisive = entries.find((entry) => fits(entry, subnet));
        if (decisive?.isPermitted) return [];
        const text = cidrText(subnet);
        if (decisive !== undefined) {
          const evidence = `${text} is denied by entry ${decisive.sequence} of ${subnetsMap}`;
          const command = shell`vtysh -c ${`show ip prefix-list ${subnetsMap}`}`;
          return [{ object: name, evidence, command }];
        }
        const evidence = `${text} is in none of ${ranges.map(({ cidr }) => cidrText(cidr)).join(', ')}`;
        const line = `ip prefix-list ${subnetsMap} permit ${text}`;
        const command = shell`vtysh -c ${'configure terminal'} -c ${line} -c end -c ${'write memory'}`;
        return [{ object: name, evidence, command }];
      });
    },
  }),
  check({
    code: 'frr-route-unseen',
    severity: 'warning',
    detects:
      'FRR’s zebra does not have the route to a network with containers, which the kernel has.',
    means: 'FRR cannot announce the network: it has missed a message of the kernel.',
    remedy:
      'The command makes zebra read all routes again; it takes learned routes away for a moment.',
    settles: true,
    needs: ['records', 'routing', 'links', 'routes'],
    find({ records, routing, links, routes }) {
      const seen = routing.routes;
      if (announcing(routing) === undefined || seen === undefined) return [];
      return announced(records).flatMap(({ spec, name }) => {
        const family = spec.ipv4;
        const hasPorts = links.some(({ master, isUp }) => isUp && master === spec.bridge);
        if (family === undefined || !hasPorts) return [];
        const { subnet } = family;
        const isThere = routes.some(
          ({ destination, device }) =>
            device === spec.bridge && destination !== undefined && sameCidr(destination, subnet),
        );
        if (!isThere || seen.some((cidr) => sameCidr(cidr, subnet))) return [];
        const evidence = `zebra has no route to ${cidrText(subnet)} of ${spec.bridge}`;
        return [{ object: name, evidence, command: 'systemctl restart frr' }];
      });
    },
  }),
];
