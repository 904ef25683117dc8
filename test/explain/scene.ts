/** The host that random packets pass: three interfaces, with a network behind each. */
import { readFileSync } from 'node:fs';
import type { Family, IpAddress } from '../../src/core/address.js';
import { contains, parseCidr } from '../../src/core/address.js';
import type { AddressType, AnswerOf, Question } from '../../src/core/explain/facts.js';
import { RouteLookups } from '../../src/host/netlink/route-lookup.js';
import { ipJson, run } from '../process/netns.js';
import type { Scene } from './random-rules.js';
import { Tun } from './tun.js';

export const scenes: Readonly<Record<Family, Scene>> = {
  4: {
    family: 4,
    interfaces: ['tun0', 'tun1', 'tun2'],
    own: ['198.51.100.1', '172.20.0.1', '172.21.0.1'],
    others: ['198.51.100.9', '172.20.0.2', '172.20.0.3', '172.21.0.2', '203.0.113.7'],
    networks: ['172.20.0.0/16', '172.21.0.0/24', '198.51.100.0/24', '0.0.0.0/1'],
    ports: [22, 80, 443, 8080, 8005],
  },
  6: {
    family: 6,
    interfaces: ['tun0', 'tun1', 'tun2'],
    own: ['2001:db8:1::1', 'fd00:20::1', 'fd00:21::1'],
    others: ['2001:db8:1::9', 'fd00:20::2', 'fd00:20::3', 'fd00:21::2', '2001:db8:ffff::7'],
    networks: ['fd00:20::/64', 'fd00:21::/64', '2001:db8:1::/64', 'fd00::/8'],
    ports: [22, 80, 443, 8080, 8005],
  },
};

export interface Host {
  readonly tuns: ReadonlyMap<string, Tun>;
  answer(question: Question): Promise<AnswerOf[Question['kind']]>;
  close(): void;
}

/** Makes the interfaces in this namespace. */
export function makeHost(): Host {
  const tuns = new Map(scenes[4].interfaces.map((name) => [name, new Tun(name)]));
  const addresses = ['198.51.100.1/24', '172.20.0.1/16', '172.21.0.1/24'];
  const addresses6 = ['2001:db8:1::1/64', 'fd00:20::1/64', 'fd00:21::1/64'];
  run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  run('sysctl', ['-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0']);
  // A redirect that the host sends to the packet's sender belongs to the same flow, so rules for it can set the
  // flow's mark before chain FORWARD is asked.
  run('sysctl', [
    '-qw',
    'net.ipv4.conf.all.send_redirects=0',
    'net.ipv4.conf.default.send_redirects=0',
  ]);
  scenes[4].interfaces.forEach((name, index) => {
    run('sysctl', ['-qw', `net.ipv4.conf.${name}.rp_filter=${index === 2 ? 1 : 0}`]);
    run('sysctl', ['-qw', `net.ipv4.conf.${name}.send_redirects=0`]);
    run('ip', ['address', 'add', addresses[index] ?? '', 'dev', name]);
    run('ip', ['-6', 'address', 'add', addresses6[index] ?? '', 'dev', name, 'nodad']);
    run('ip', ['link', 'set', name, 'up']);
  });
  run('ip', ['route', 'add', 'default', 'dev', 'tun0']);
  run('ip', ['-6', 'route', 'add', 'default', 'dev', 'tun0']);
  // What marks may lead elsewhere.
  run('ip', ['rule', 'add', 'fwmark', '2/2', 'table', '100']);
  run('ip', ['route', 'add', 'default', 'dev', 'tun2', 'table', '100']);
  const links = ipJson('link', 'show').map(
    ({ ifname, ifindex }) => [String(ifname), Number(ifindex)] as const,
  );
  const indexes = new Map(links);
  const names = new Map(links.map(([name, index]) => [index, name]));
  const lookups = new RouteLookups({
    indexOf: (name) => indexes.get(name),
    nameOf: (index) => names.get(index),
  });
  return {
    tuns,
    answer: async (question) => {
      switch (question.kind) {
        case 'route':
          return lookups.lookup(question);
        case 'address-type':
          return addressType(question.family, question.address);
        case 'interface-address':
          // Of lo, the kernel takes the destination itself (IPv6), or the first address of another interface.
          if (question.family === 6 && question.interface === 'lo') return question.toward;
          return scenes[question.family].own[
            Math.max(0, scenes[4].interfaces.indexOf(question.interface))
          ] as IpAddress;
        case 'reverse-path': {
          const { family, source, destination, inInterface, mark, loose } = question;
          const back = await lookups.lookup({
            ...{ kind: 'route', family, destination: source, mark },
            ...{ tos: 0, protocol: 0, sourcePort: 0, destinationPort: 0 },
            ...(scenes[family].own.includes(destination) ? { source: destination } : {}),
          });
          return back.to === 'interface' && (loose || back.outInterface === inInterface);
        }
        default:
          return undefined;
      }
    },
    close: () => {
      lookups.close();
      for (const tun of tuns.values()) tun.close();
    },
  };
}

const locals = new Map<Family, [string, AddressType][]>();
function addressType(family: Family, address: IpAddress): AddressType {
  const rows =
    locals.get(family) ??
    ipJson(`-${family}`, 'route', 'show', 'table', 'local').map(
      ({ dst, type }): [string, AddressType] => [
        String(dst).includes('/') ? String(dst) : `${dst}/${family === 4 ? 32 : 128}`,
        String(type ?? 'local').toUpperCase() as AddressType,
      ],
    );
  locals.set(family, rows);
  const found = rows.find(([cidr]) => {
    const parsed = parseCidr(cidr);
    return parsed !== undefined && contains(parsed, address);
  });
  return found?.[1] ?? 'UNICAST';
}

/** The seed of the kernel's hash is not ours: told so that a run can be compared with another one. */
export const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
