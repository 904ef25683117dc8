import t from 'tap';
import { renderRestore, renderTableProbe } from '../../../src/codec/iptables/iptables-restore.js';
import { makeRule, tables } from '../../../src/core/rules/rule.js';

const user = makeRule(4, 'filter', 'FORWARD', {}, { jump: 'DOCKER-USER' });
const nat = makeRule(4, 'nat', 'PREROUTING', { localDestination: true }, { jump: 'DOCKER' });
const raw = makeRule(4, 'raw', 'PREROUTING', { protocol: 'tcp' }, 'DROP');
const sctp = makeRule(4, 'mangle', 'POSTROUTING', { protocol: 'sctp' }, 'CHECKSUM');

t.test('without a change there is no text for iptables-restore', async (t) =>
  t.equal(renderRestore([]), ''),
);

t.test('drops and accepts before translation; within a table in order', async (t) => {
  const text = renderRestore([
    { op: 'create-chain', table: 'nat', chain: 'DOCKER' },
    { op: 'append', rule: nat },
    { op: 'create-chain', table: 'filter', chain: 'DOCKER-USER' },
    { op: 'insert', rule: user, position: 0 },
    { op: 'delete', rule: user },
    { op: 'insert', rule: user, position: 2 },
    { op: 'policy', table: 'filter', chain: 'FORWARD', policy: 'DROP' },
    { op: 'delete-chain', table: 'filter', chain: 'DOCKER-CT' },
    { op: 'append', rule: sctp },
    { op: 'append', rule: raw },
  ]);
  t.equal(
    text,
    `*raw
-A PREROUTING -p tcp -j DROP
COMMIT
*mangle
-A POSTROUTING -p sctp -j CHECKSUM --checksum-fill
COMMIT
*filter
-N DOCKER-USER
-I FORWARD 1 -j DOCKER-USER
-D FORWARD -j DOCKER-USER
-I FORWARD 3 -j DOCKER-USER
:FORWARD DROP [0:0]
-X DOCKER-CT
COMMIT
*nat
-N DOCKER
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
COMMIT
`,
  );
});

t.test('the probe of a table adds a rule and deletes it in one commit', async (t) => {
  for (const table of tables) {
    t.match(
      renderTableProbe(table),
      new RegExp(`^\\*${table}\n-A (\\S+ .*)\n-D \\1\nCOMMIT\n$`, 's'),
    );
  }
});
