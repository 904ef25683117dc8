/** The rules that firewalld 1.3.3 of Debian 12 writes for zone public, with eth0 and port 8080/tcp, and what is said of them. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { readTables } from '../../../../src/codec/iptables/iptables-words.js';
import { readNativeTable } from '../../../../src/codec/nft/native-tables.js';
import { describe } from '../../../../src/core/explain/describe.js';
import { explainedBy, ip, packet, packet6, wayOf } from '../host.js';

const read = (name: string) =>
  readFileSync(new URL(`../../../golden/nft/${name}.txt`, import.meta.url), 'utf8');
const table = readNativeTable(read('firewalld-list'), read('firewalld'));
if (table === undefined) throw new Error('not a table');
const docker = readTables(
  `*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 172.20.0.2:80
COMMIT`.split('\n'),
  4,
  'nft',
);
const toContainer = {
  route: ({ destination }: { destination: string }) =>
    destination.startsWith('192.0.2.')
      ? ({ to: 'host' } as const)
      : ({ to: 'interface', outInterface: 'br-1' } as const),
  'reverse-path': () => true,
};
const explained = (of: ReturnType<typeof packet>) =>
  explainedBy([...docker, table], of, toContainer);
const text = (of: ReturnType<typeof packet>) => describe(explained(of), of, 'hooks').slice(-3);

t.test('to the host', (t) => {
  t.strictSame(wayOf(explained(packet({ destinationPort: 8080 }))).slice(-3), [
    'inet firewalld filter_IN_public 5 jump filter_IN_public_allow',
    'inet firewalld filter_IN_public_allow 3 accept',
    '= host',
  ]);
  t.strictSame(text(packet({ destinationPort: 80 })), [
    'REJECTED in INPUT by rule 9 of chain filter_IN_public, table inet firewalld (nft):',
    '  reject with icmpx admin-prohibited',
    '  It looks like a rule of firewalld.',
  ]);
  t.end();
});

t.test('through it: published ports are let through, others are not', (t) => {
  const published = explained(packet({ destinationPort: 81 }));
  t.equal(published.alternatives.length, 1);
  t.strictSame(
    wayOf(published).filter((step) => step.includes('filter_FORWARD')),
    ['inet firewalld filter_FORWARD 2 accept'],
  );
  t.strictSame(
    text(packet({ destination: ip('172.20.0.2') }))[0],
    'REJECTED in FORWARD by rule 8 of chain filter_FWD_public, table inet firewalld (nft):',
  );
  t.end();
});

t.test('IPv6 without a way back', (t) => {
  const { alternatives } = explainedBy([table], packet6(), {
    ...toContainer,
    'reverse-path': () => false,
  });
  t.match(alternatives, [{ end: { kind: 'dropped', hook: 'PREROUTING' } }]);
  t.end();
});
