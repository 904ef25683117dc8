/** Translations by maps of addresses: those of `tsbridge.port_rules=map`, and of other programs. */
import t from 'tap';
import { explainedBy, ip, nativeTable, packet, wayOf } from '../host.js';

const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const l4proto = { meta: { key: 'l4proto' } };
const key = (address: unknown) => ({ concat: [address, l4proto, payload('th', 'dport')] });
const leads = (address: unknown, family = 'ip', data: unknown = '@ports') => ({
  dnat: { family, addr: { map: { key: key(address), data } } },
});
const entry = (from: readonly unknown[], to: unknown) => [{ concat: from }, to];
const map = (...elem: readonly unknown[]) => [{ map: { name: 'ports', elem } }];
const way = (...of: Parameters<typeof explainedBy>) => wayOf(explainedBy(...of));
const ends = (...of: Parameters<typeof explainedBy>) =>
  explainedBy(...of).alternatives.map(({ stages }) =>
    stages.flatMap((stage) =>
      'packetAfter' in stage && stage.packetAfter !== undefined
        ? [`${stage.packetAfter.destination} ${stage.packetAfter.destinationPort}`]
        : [],
    ),
  );

const daddr = payload('ip', 'daddr');
const ours = (...rules: readonly unknown[]) =>
  nativeTable(
    { prerouting: { at: 'nat prerouting -99', rules: rules.map((rule) => [rule]) } },
    {
      family: 'ip',
      name: 'tsbridge',
      more: map(
        entry(['0.0.0.0', 6, 80], { concat: ['172.20.0.2', 8080] }),
        entry(['192.0.2.1', 6, 81], { concat: ['172.20.0.3', 81] }),
        entry(['192.0.2.1', 6, 82], '172.20.0.4'),
        entry(['192.0.2.1', 6, 83], { concat: ['172.20.0.4', 'x'] }),
        entry(['192.0.2.1', 6, 84], { concat: ['172.20.0.4', 1, 2] }),
      ),
    },
  );

t.test('the address itself first, then all of them by a mask of no bits', (t) => {
  const table = ours(leads(daddr), leads({ '&': [daddr, '0.0.0.0'] }));
  const to = (destinationPort: number) => ends([table], packet({ destinationPort }));
  t.strictSame(to(80), [['172.20.0.2 8080']]);
  t.strictSame(to(81), [['172.20.0.3 81']]);
  t.strictSame(to(82), [['172.20.0.4 82']], 'an address alone leaves the port');
  t.strictSame(to(99), [[]]);
  t.match(way([table], packet()), ['tracking new', 'ip tsbridge prerouting 2 translate']);
  t.end();
});

t.test('what the map leads to is not understood, or the map was not read', (t) => {
  const table = ours(leads(daddr));
  for (const destinationPort of [83, 84]) {
    t.match(way([table], packet({ destinationPort })).at(-1), /^= unknown/, `${destinationPort}`);
  }
  const missing = ours(leads(daddr, 'ip', '@others'));
  t.match(way([missing], packet()).at(-1), /^= unknown/);
  t.end();
});

t.test('IPv6, and a rule that is about the other family', (t) => {
  const table = nativeTable(
    {
      prerouting: {
        at: 'nat prerouting -99',
        rules: [[leads(daddr)], [leads({ '&': [payload('ip6', 'daddr'), '::'] }, 'ip6')]],
      },
    },
    { more: map(entry(['::', 6, 80], { concat: ['fd00::2', 8080] })) },
  );
  const asked = packet({ family: 6, source: ip('2001:db8::9'), destination: ip('2001:db8::1') });
  t.strictSame(ends([table], asked), [['fd00::2 8080']]);
  t.end();
});

t.test('a mask that a number does not hold exactly is a condition', (t) => {
  const wide = { '&': [payload('ip6', 'daddr'), 'ffff:ffff:ffff:ffff::'] };
  const table = nativeTable(
    { prerouting: { at: 'nat prerouting -99', rules: [[leads(wide, 'ip6')]] } },
    { more: map(entry(['::', 6, 80], { concat: ['fd00::2', 8080] })) },
  );
  const asked = packet({ family: 6, source: ip('2001:db8::9'), destination: ip('2001:db8::1') });
  t.equal(explainedBy([table], asked).alternatives.length, 2);
  t.end();
});

t.test('a source by a map', (t) => {
  const snat = {
    snat: {
      addr: { map: { key: payload('ip', 'saddr'), data: { set: [['10.0.0.2', '192.0.2.7']] } } },
    },
  };
  const table = nativeTable({ out: { at: 'nat postrouting 100', rules: [[snat]] } });
  const asked = packet({ source: ip('10.0.0.2'), destination: ip('198.51.100.1') });
  t.match(way([table], asked), ['tracking new']);
  t.match(JSON.stringify(explainedBy([table], asked).alternatives), /"source":"192\.0\.2\.7"/);
  t.end();
});
