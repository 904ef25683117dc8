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
  const table = readNativeTable(read('fail2ban-nft-list'), read('fail2ban-nft'));
  if (table === undefined) throw new Error('not a table');
  t.equal(tableOwner('inet f2b-table'), 'fail2ban');
  const web = packet({ source: ip('203.0.113.68'), destinationPort: 443 });
  const words = (of: Packet) => describe(explainedBy([table], of), of, 'hooks').join('\n');
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
  const table = readNativeTable(read('wg-quick-nft-list'), read('wg-quick-nft'));
  if (table === undefined) throw new Error('not a table');
  const words = (of: Packet) => describe(explainedBy([table], of), of, 'hooks').join('\n');
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
