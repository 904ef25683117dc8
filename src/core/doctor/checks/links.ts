/** Checks of bridges: whether they are there and up, their addresses, MTUs and ports, and subnets that overlap. */
import { cidrText, contains, familyOf, hostCidr, overlaps } from '../../address.js';
import { familiesOf, isManaged, type NetworkSpec } from '../../network/network.js';
import { nicsAmong } from '../../network/uplink.js';
import { check, shell } from '../check.js';
import type { Link } from '../facts.js';
import { defaultDevices } from '../places.js';

const reconcile = 'tsbridge reconcile';
/** Ports of a bridge from which on it is called nearly full; the kernel allows 1,023. */
const manyPorts = 900;
const ofBridges = ['drift', 'packets-lost', 'bridge-without-address', 'bridge-down'];

const linkOf = (links: readonly Link[], { bridge }: NetworkSpec): Link | undefined =>
  links.find(({ name }) => name === bridge);

export const linkChecks = [
  check({
    code: 'bridge-missing',
    severity: 'error',
    detects: 'The bridge of a network is not there.',
    means: 'The containers of the network reach nobody, and nobody reaches them.',
    remedy:
      'The daemon brings a bridge back within a second; with the command, at once. If it goes again and again, tsbridge ' +
      'events --kind repair tells who takes it away. With tsbridge.bridge=unmanaged the daemon makes none: the command makes an ' +
      'empty one, and its containers become ports of it.',
    hides: ofBridges,
    settles: true,
    needs: ['records', 'links'],
    find: ({ records, links }) =>
      records.networks.flatMap(({ spec, name }) =>
        linkOf(links, spec) === undefined
          ? [
              {
                object: name,
                evidence: `no interface ${spec.bridge}`,
                command: isManaged(spec)
                  ? reconcile
                  : shell`ip link add name ${spec.bridge} type bridge`,
              },
            ]
          : [],
      ),
  }),
  check({
    code: 'bridge-down',
    severity: 'error',
    detects: 'The bridge of a network is switched off.',
    means: 'The containers of the network reach nobody, and nobody reaches them.',
    remedy: 'The command switches it on again.',
    hides: ['drift', 'packets-lost'],
    settles: true,
    needs: ['records', 'links'],
    find: ({ records, links }) =>
      records.networks.flatMap(({ spec, name }) =>
        linkOf(links, spec)?.isUp === false
          ? [
              {
                object: name,
                evidence: `${spec.bridge} is down`,
                command: isManaged(spec) ? reconcile : shell`ip link set dev ${spec.bridge} up`,
              },
            ]
          : [],
      ),
  }),
  check({
    code: 'bridge-without-address',
    severity: 'error',
    detects:
      'The bridge of a network does not have the gateway address that its containers were given.',
    means:
      'Containers of the network have a gateway that nobody is: they do not leave the network.',
    remedy:
      'The command adds it. NetworkManager or systemd-networkd may have taken it away: let them leave the bridge alone.',
    hides: ['drift', 'packets-lost'],
    settles: true,
    needs: ['records', 'links'],
    find: ({ records, links }) =>
      records.networks.flatMap(({ spec, name }) => {
        const link = linkOf(links, spec);
        return familiesOf(spec).flatMap(({ family, bridgeAddress: wanted }) => {
          if (link === undefined || wanted === undefined) return [];
          if (family === 4 && spec.inhibitIpv4) return [];
          if (link.addresses.some(({ address }) => address === wanted.address)) return [];
          const evidence = `${spec.bridge} has no ${cidrText(wanted)}`;
          return [{ object: name, evidence, command: reconcile }];
        });
      }),
  }),
  check({
    code: 'network-on-uplink',
    severity: 'error',
    detects:
      'The bridge of a network carries a NIC of the host, or the default route leaves by it, and it is not an unmanaged one.',
    means:
      'Networks are isolated from each other: what containers of other networks send out by this bridge is dropped, so they do ' +
      'not reach the outside. Docker’s own driver does the same.',
    remedy:
      'The command removes the network, when it has no containers. Make it again with -o tsbridge.bridge=unmanaged, whose containers ' +
      'have addresses of the LAN.',
    hides: ['packets-refused'],
    needs: ['records', 'links', 'routes', 'own'],
    find: ({ records, links, routes, own }) =>
      records.networks.flatMap(({ spec, name }) => {
        const { bridge, ruleFamilies } = spec;
        const families = ruleFamilies.filter((family) => own.writesRules[family]);
        if (!isManaged(spec) || families.length === 0) return [];
        const [nic] = nicsAmong(links.filter(({ master }) => master === bridge));
        const leaves = families.some((family) =>
          defaultDevices(routes, family, 'main').includes(bridge),
        );
        if (nic === undefined && !leaves) return [];
        const evidence =
          nic === undefined ? `the default route leaves by ${bridge}` : `${bridge} carries ${nic}`;
        return [{ object: name, evidence, command: shell`docker network rm ${name}` }];
      }),
  }),
  check({
    code: 'egress-address-missing',
    severity: 'error',
    detects: 'The host does not have the address of tsbridge.egress_ip.',
    means:
      'What containers send outside leaves with this address, and answers go to whoever has it: the containers reach nobody outside.',
    remedy:
      'The command adds it until the next start of the host; the network configuration keeps it. An address that moves between ' +
      'hosts, as with keepalived, is missing on all but one of them.',
    needs: ['records', 'links', 'routes'],
    find: ({ records, links, routes }) =>
      records.egress.flatMap(({ object, address }) => {
        if (links.some(({ addresses }) => addresses.some((each) => each.address === address))) {
          return [];
        }
        const family = familyOf(address);
        const [uplink = 'lo'] = defaultDevices(routes, family, 'main');
        const command = shell`ip address add ${cidrText(hostCidr(address))} dev ${uplink}`;
        return [{ object, evidence: `no interface has ${address}`, command }];
      }),
  }),
  check({
    code: 'mtu-above-uplink',
    severity: 'warning',
    detects:
      'A network has a larger MTU than the interface of the default route, e.g. one of a VPN.',
    means:
      'Large packets to the outside have to be made smaller on the way; where ICMP is filtered, connections hang as soon as much is sent.',
    remedy:
      'The MTU of a network is chosen when it is made. The command makes TCP send small enough packets meanwhile.',
    needs: ['records', 'links', 'routes'],
    find({ records, links, routes }) {
      const [uplink] = defaultDevices(routes, 4, 'main');
      const most = links.find(({ name }) => name === uplink)?.mtu;
      if (uplink === undefined || most === undefined) return [];
      return records.networks.flatMap(({ spec, name }) => {
        const mtu = spec.mtu ?? linkOf(links, spec)?.mtu ?? 0;
        // Containers on an unmanaged bridge do not go through this host's default route.
        if (spec.internal || !isManaged(spec) || mtu <= most) return [];
        const evidence = `${name} has ${mtu}, ${uplink} has ${most}`;
        const command = shell`iptables -t mangle -A FORWARD -i ${spec.bridge} -o ${uplink} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`;
        return [{ object: name, evidence, command }];
      });
    },
  }),
  check({
    code: 'mtu-uneven',
    severity: 'warning',
    detects: 'A port of a network’s bridge has another MTU than the bridge.',
    means:
      'Packets that are larger than the smaller MTU vanish within the network, without a word.',
    remedy:
      'The command gives the port the MTU of the bridge; a restart of the container does, too.',
    needs: ['records', 'links'],
    find: ({ records, links }) =>
      records.networks.flatMap(({ spec }) => {
        const bridge = linkOf(links, spec);
        if (bridge === undefined) return [];
        return links
          .filter(({ master, mtu }) => master === bridge.name && mtu !== bridge.mtu)
          .map(({ name, mtu }) => ({
            object: name,
            evidence: `${name} has ${mtu}, its bridge ${spec.bridge} has ${bridge.mtu}`,
            command: shell`ip link set ${name} mtu ${bridge.mtu}`,
          }));
      }),
  }),
  check({
    code: 'bridge-nearly-full',
    severity: 'warning',
    detects: `A network’s bridge has more than ${manyPorts} ports; the kernel allows 1,023.`,
    means: 'When it is full, no container can be started on the network.',
    remedy: 'The command makes another network, for further containers.',
    needs: ['records', 'links'],
    find: ({ records, links }) =>
      records.networks.flatMap(({ spec, name }) => {
        const ports = links.filter(({ master }) => master === spec.bridge).length;
        const command = shell`docker network create -d tsbridge ${`${name}-2`}`;
        const evidence = `${spec.bridge} has ${ports} ports`;
        return ports > manyPorts ? [{ object: name, evidence, command }] : [];
      }),
  }),
  check({
    code: 'subnet-overlaps-route',
    severity: 'error',
    detects:
      'A route of this host by another interface, in any table, has addresses of a network: of a VPN, e.g.',
    means:
      'What should go to the containers leaves by the other interface, or what should go there ends at the containers.',
    remedy:
      'The command shows both. Make the network again with a --subnet that nobody else has, or narrow the route.',
    needs: ['records', 'routes'],
    find: ({ records, routes }) =>
      records.networks.flatMap(({ spec, name }) =>
        familiesOf(spec).flatMap(({ subnet }) =>
          routes.flatMap(({ destination, device, table }) => {
            if (destination === undefined || device === spec.bridge) return [];
            // A VPN takes the place of the default route by two routes such as 0.0.0.0/1: they overlap with everything.
            if (destination.prefixLength < 4 || !overlaps(subnet, destination)) return [];
            if (records.networks.some((other) => other.spec.bridge === device)) return [];
            const evidence = `${name} has ${cidrText(subnet)}, and a route to ${cidrText(destination)} leaves by ${device} (table ${table})`;
            const command = shell`ip route show table all root ${cidrText(subnet)}`;
            return [{ object: name, evidence, command }];
          }),
        ),
      ),
  }),
  check({
    code: 'subnet-overlaps-network',
    severity: 'error',
    detects:
      'Two interfaces of this host are in the same subnet, and one of them is a network’s bridge.',
    means: 'One of the two is not reached: the host has one route for their addresses.',
    remedy: 'The command shows both. Make one of the networks again with another --subnet.',
    hides: ['subnet-overlaps-route'],
    needs: ['records', 'links'],
    find: ({ records, links }) =>
      records.networks.flatMap(({ spec, name }) =>
        familiesOf(spec).flatMap(({ subnet }) =>
          links.flatMap((link) => {
            // Of two networks of tsbridge, both of which come here, only one tells of the pair.
            const isOwn = records.networks.some((other) => other.spec.bridge === link.name);
            if (link.name === spec.bridge || (isOwn && link.name < spec.bridge)) return [];
            const same = link.addresses.find(
              (cidr) => contains(subnet, cidr.address) || contains(cidr, subnet.address),
            );
            if (same === undefined || same.prefixLength === 0) return [];
            const evidence = `${name} (${spec.bridge}) has ${cidrText(subnet)}, ${link.name} has ${cidrText(same)}`;
            return [{ object: name, evidence, command: 'ip -brief address' }];
          }),
        ),
      ),
  }),
];
