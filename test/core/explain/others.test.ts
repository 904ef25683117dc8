/** Rule sets of other programs: whose each rule is, and what they do to packets. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { readTables } from '../../../src/codec/iptables/iptables-words.js';
import { readNativeTable } from '../../../src/codec/nft/native-tables.js';
import type { Family } from '../../../src/core/address.js';
import { describe } from '../../../src/core/explain/describe.js';
import { ownerOf, tableOwner } from '../../../src/core/explain/owners.js';
import type { Packet } from '../../../src/core/explain/packet.js';
import { type Answering, explainedBy, ip, packet, packet6 } from './host.js';

const read = (name: string) =>
  readFileSync(new URL(`../../golden/others/${name}.txt`, import.meta.url), 'utf8');
const tablesOf = (name: string, family: Family = 4) =>
  readTables(read(name).split('\n'), family, 'nft');
/** Of each program, in how many rules it is recognised; rules that are anybody's come last. */
function ownersIn(name: string, family: Family = 4): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { chains } of tablesOf(name, family)) {
    for (const { name: chain, rules } of chains.values()) {
      for (const { text } of rules) {
        const owner = ownerOf(chain, text) ?? `nobody: ${text}`;
        counts[owner] = (counts[owner] ?? 0) + 1;
      }
    }
  }
  return counts;
}
const said = (name: string, of: Packet, answering: Answering = {}) =>
  describe(explainedBy(tablesOf(name, of.family), of, answering), of, 'hooks').join('\n');

function nativeOf(name: string) {
  const table = readNativeTable(read(`${name}-list`), read(name));
  if (table === undefined) throw new Error('not a table');
  return table;
}
/** Explains packets by one table alone, which is read from a listing of nft. */
function nativeWords(name: string) {
  const table = nativeOf(name);
  return (of: Packet, answering: Answering = {}) =>
    describe(explainedBy([table], of, answering), of, 'hooks').join('\n');
}

t.test('ufw', async (t) => {
  t.strictSame(ownersIn('ufw'), { ufw: 72 });
  t.strictSame(ownersIn('ufw-ipv6', 6), { ufw: 110 });
  t.match(
    said('ufw', packet({ destinationPort: 22 })),
    /ufw-user-input \d+: .*--dport 22 -j ACCEPT {2}\[ufw\]/,
  );
  t.match(
    said('ufw', packet({ destinationPort: 23 })),
    /DROPPED in INPUT by the policy of chain INPUT/,
  );
  t.match(said('ufw-ipv6', packet6({ destinationPort: 22 })), /TAKEN by this host/);
  // Its own limit is a matter of what came before.
  t.match(said('ufw', packet({ destinationPort: 2222 })), /if: the address is in the list/);
  const way = { route: () => ({ to: 'interface', outInterface: 'br-1' }) as const };
  const through = packet({ destination: ip('172.20.0.2') });
  t.match(said('ufw', through, way), /ufw-user-forward 1: .*\[ufw\][\s\S]*SENT out of br-1/);
  t.match(said('ufw', { ...through, destinationPort: 81 }, way), /DROPPED in FORWARD/);
});

t.test('fail2ban, by iptables and by nft', async (t) => {
  t.strictSame(ownersIn('fail2ban'), { fail2ban: 6 });
  const banned = packet({ source: ip('203.0.113.66'), destinationPort: 22 });
  t.match(
    said('fail2ban', banned),
    /REJECTED in INPUT by rule 1 of chain f2b-sshd[\s\S]*rule of fail2ban/,
  );
  t.match(said('fail2ban', { ...banned, destinationPort: 443 }), /TAKEN by this host/);
  const words = nativeWords('fail2ban-nft');
  t.equal(tableOwner('inet f2b-table'), 'fail2ban');
  const web = packet({ source: ip('203.0.113.68'), destinationPort: 443 });
  t.match(
    words(web),
    /REJECTED in INPUT by rule 1 of chain f2b-chain, table inet f2b-table[\s\S]*fail2ban/,
  );
  t.match(words({ ...web, source: ip('203.0.113.69') }), /TAKEN by this host/);
});

t.test('wg-quick, by iptables and by nft: what its script of Debian 12 makes', async (t) => {
  t.strictSame(ownersIn('wg-quick'), { 'wg-quick': 3 });
  const spoofed = packet({ destination: ip('10.8.0.2'), source: ip('203.0.113.9') });
  t.match(
    said('wg-quick', spoofed),
    /DROPPED in PREROUTING by rule 1 of chain PREROUTING, table raw[\s\S]*rule of wg-quick/,
  );
  t.match(said('wg-quick', packet({ protocol: 17 })), /TAKEN by this host/, 'marks are no verdict');
  const words = nativeWords('wg-quick-nft');
  t.match(
    words(spoofed),
    /DROPPED in PREROUTING by rule 1 of chain preraw, table ip wg-quick-wg0[\s\S]*wg-quick/,
  );
  t.match(
    words({ ...spoofed, inInterface: 'wg0' }),
    /preraw policy: ACCEPT[\s\S]*SENT/,
    'by its own interface',
  );
});

/** Two packets, from the outside into a network of virtual machines and from one of them to the outside, and their routes. */
function passing(bridge: string, inside: string, family: Family = 4) {
  const own = ip(inside);
  const base = family === 4 ? packet() : packet6();
  const route: Answering = {
    route: ({ destination }) => ({
      to: 'interface',
      outInterface: destination === own ? bridge : 'eth0',
    }),
  };
  const outside = family === 4 ? ip('203.0.113.9') : ip('2001:db8:99::9');
  return {
    route,
    into: { ...base, destination: own },
    out: { ...base, source: own, destination: outside, inInterface: bridge },
  };
}

/** The listing of nft is of libvirt 11.3.0-3+deb13u3, with firewall_backend = "nftables", and nft 1.1.3. */
t.test('libvirt, by iptables of Debian 12 and by nft of Debian 13', async (t) => {
  const { route, into, out } = passing('virbr0', '192.168.122.5');
  t.strictSame(ownersIn('libvirt'), { libvirt: 26 });
  t.match(
    said('libvirt', into, route),
    /REJECTED in FORWARD by rule 2 of chain LIBVIRT_FWI[\s\S]*rule of libvirt/,
  );
  t.match(
    said('libvirt', out, route),
    /LIBVIRT_FWO 1: .*ACCEPT {2}\[libvirt\][\s\S]*LIBVIRT_PRT 3: .*MASQUERADE[\s\S]*SENT out of eth0/,
  );
  const words = nativeWords('libvirt-nft');
  t.match(
    words(into, route),
    /REJECTED in FORWARD by rule 2 of chain guest_input, table ip libvirt_network[\s\S]*libvirt/,
  );
  t.match(words(out, route), /guest_output 1: .*accept[\s\S]*guest_nat 3: [\s\S]*SENT out of eth0/);
});

/** The listing is of Incus 6.0.4-2+deb13u12, after `incus network create incusbr0`. */
t.test('Incus, by nft of Debian 13', async (t) => {
  const words = nativeWords('incus-nft');
  for (const [family, inside] of [
    [4, '10.99.0.5'],
    [6, 'fd00:99::5'],
  ] as const) {
    const { route, into, out } = passing('incusbr0', inside, family);
    t.match(words(into, route), /fwd.incusbr0 \d: .*oifname .*accept[\s\S]*SENT out of incusbr0/);
    t.match(words(out, route), /fwd.incusbr0 \d: .*iifname .*accept[\s\S]*SENT out of eth0/);
    const { alternatives } = explainedBy([nativeOf('incus-nft')], out, route);
    t.equal(alternatives.length, 1, 'every condition is understood');
  }
});

t.test(
  'kube-proxy, libvirt, Tailscale, Calico and LXD, as public listings and sources have them',
  async (t) => {
    t.strictSame(ownersIn('documented'), {
      ...{ 'kube-proxy': 13, libvirt: 4, Tailscale: 5, Calico: 2, LXD: 1 },
    });
    const tables = {
      libvirt_network: 'libvirt',
      incus: 'Incus or LXD',
      'wg-quick-wg0': 'wg-quick',
    };
    for (const [name, owner] of Object.entries({
      ...tables,
      'kube-proxy': 'kube-proxy',
      calico: 'Calico',
    }))
      t.equal(tableOwner(`ip ${name}`), owner, name);
    const route: Answering = {
      route: ({ destination }) =>
        destination === '192.0.2.1'
          ? { to: 'host' }
          : {
              to: 'interface',
              outInterface: destination.startsWith('192.168.122.') ? 'virbr0' : 'br-1',
            },
    };
    t.match(
      said('documented', packet({ destination: ip('10.96.0.9') }), route),
      /KUBE-SEP-DWJXEQLZZTCZ5D3Y 1: .*now 198.51.100.9 -> 172.20.0.2:80\) {2}\[kube-proxy\][\s\S]*KUBE-POSTROUTING 3: .*MASQUERADE[\s\S]*SENT/,
    );
    t.match(
      said('documented', packet({ destination: ip('192.168.122.5') }), route),
      /REJECTED in FORWARD by rule 1 of chain LIBVIRT_FWI[\s\S]*rule of libvirt/,
    );
    const tailnet = packet({ source: ip('100.64.0.9') });
    t.match(
      said('documented', tailnet, route),
      /DROPPED in INPUT by rule 1 of chain ts-input[\s\S]*Tailscale/,
    );
  },
);
