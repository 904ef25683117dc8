/** Checks of what others on the host or on a bridge do with interfaces and addresses that are a network's. */
import { isManaged } from '../../network/network.js';
import { check, type Found, shell } from '../check.js';
import type { FactParts, KnownAddress, ManagedLink } from '../facts.js';

type ManagedFacts = Pick<FactParts, 'records' | 'links' | 'managed'>;

/** One finding for each network: its bridge and its ports that the program configures. */
function managedBy(
  manager: ManagedLink['manager'],
  { records, links, managed }: ManagedFacts,
  commandFor: (names: readonly string[], bridge: string) => string,
): Found[] {
  const states = new Map(
    managed.filter((each) => each.manager === manager).map(({ name, state }) => [name, state]),
  );
  return records.networks
    .filter(({ spec }) => isManaged(spec))
    .flatMap(({ spec, name }) => {
      const ports = links.filter(({ master }) => master === spec.bridge).map((port) => port.name);
      const found = [spec.bridge, ...ports].filter((each) => states.has(each));
      const [first] = found;
      if (first === undefined) return [];
      const more = found.length === 1 ? '' : `, and ${found.length - 1} more`;
      const evidence = `${manager} says of ${first}: ${states.get(first)}${more}`;
      return [{ object: name, evidence, command: commandFor(found, spec.bridge) }];
    });
}

/**
 * Names for the configuration of other programs: the bridge, and `veth*` for its ports, whose names are random and last
 * as long as their containers.
 */
const patterns = (names: readonly string[]): string[] => [
  ...new Set(names.map((name) => (name.startsWith('veth') ? 'veth*' : name))),
];

/** The first container of each address of a bridge. */
function byAddress(addresses: readonly KnownAddress[]): Map<string, KnownAddress> {
  const owners = new Map<string, KnownAddress>();
  for (const each of addresses) {
    const key = `${each.bridge} ${each.address}`;
    if (!owners.has(key)) owners.set(key, each);
  }
  return owners;
}

export const otherChecks = [
  check({
    code: 'managed-by-networkd',
    severity: 'warning',
    detects:
      'systemd-networkd configures the bridge of a network or the host’s end of a container’s veth pair.',
    means:
      'It may take addresses and routes away that it did not set, whenever it starts or reads its files again.',
    remedy:
      'The command tells it to leave them alone, with a file that comes before others. The packages of tsbridge install such files for br-* of Docker’s form and veth*.',
    needs: ['records', 'links', 'managed'],
    find: (facts) =>
      managedBy('systemd-networkd', facts, (names, bridge) => {
        const match = patterns(names).join(' ');
        const file = `/etc/systemd/network/05-${bridge}.network`;
        return shell`printf ${'[Match]\\nName=%s\\n\\n[Link]\\nUnmanaged=yes\\n'} ${match} > ${file} && networkctl reload`;
      }),
  }),
  check({
    code: 'managed-by-networkmanager',
    severity: 'warning',
    detects:
      'NetworkManager configures the bridge of a network or the host’s end of a container’s veth pair.',
    means: 'It may give them addresses and connections of its own, or take them down.',
    remedy:
      'The command makes it leave them alone until the host starts anew. The packages of tsbridge install a file for br-* and veth*; a bridge with a name of its own needs a line in /etc/NetworkManager/conf.d.',
    needs: ['records', 'links', 'managed'],
    find: (facts) =>
      managedBy('NetworkManager', facts, (names) =>
        names.map((name) => shell`nmcli device set ${name} managed no`).join(' && '),
      ),
  }),
  check({
    code: 'address-used-twice',
    severity: 'error',
    detects:
      'An address of a container is answered for by a device with another MAC address, or belongs to two containers of one bridge.',
    means: 'Packets for the container go to the other one, some or all of them.',
    remedy:
      'The command shows by which port of the bridge the other device is reached. Take it off the bridge or give it another address, or make the container anew with an address of its own (--ip).',
    settles: true,
    needs: ['records', 'seen'],
    find({ records: { addresses }, seen }) {
      const owners = byAddress(addresses);
      const twice = addresses.flatMap((each): Found[] => {
        const owner = owners.get(`${each.bridge} ${each.address}`);
        if (owner === undefined || owner === each) return [];
        const evidence = `${each.address} on ${each.bridge} belongs to ${owner.container} and ${each.container}`;
        return [{ object: each.address, evidence, command: shell`tsbridge find ${each.address}` }];
      });
      const strange = seen.flatMap(({ device, address, mac }): Found[] => {
        const owner = owners.get(`${device} ${address}`);
        if (owner === undefined || owner.mac.toLowerCase() === mac.toLowerCase()) return [];
        const evidence = `${address} of ${owner.container} (${owner.mac}) is at ${mac} on ${device}`;
        const command = shell`bridge fdb show br ${device} | grep -i ${mac}`;
        return [{ object: address, evidence, command }];
      });
      return [...twice, ...strange];
    },
  }),
];
