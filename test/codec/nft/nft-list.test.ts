import t from 'tap';
import { readChainListing } from '../../../src/codec/nft/nft-list.js';

t.test('rules of a chain, as nft 1.0.6 prints them', async (t) => {
  const listing = [
    'table inet my {',
    '\tchain f { # handle 1',
    '\t\ttype filter hook forward priority 5; policy accept;',
    '\t\ttcp dport 81 counter packets 1 bytes 60 drop # handle 4',
    '\t\tip saddr { 10.0.0.1, 10.0.0.2,',
    '\t\t\t     10.0.0.3 } reject # handle 12',
    '\t}',
    '}',
  ].join('\n');
  t.strictSame(
    [...readChainListing(listing)],
    [
      [4n, { number: 1, text: 'tcp dport 81 counter packets 1 bytes 60 drop' }],
      [12n, { number: 2, text: 'ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 } reject' }],
    ],
  );
});

t.test('the listing of a whole table: lines of sets belong to no rule', (t) => {
  const text = `table inet my { # handle 1
\tset hosts { # handle 2
\t\ttype ipv4_addr
\t\telements = { 192.0.2.1,
\t\t\t     192.0.2.2 }
\t}

\tchain one { # handle 3
\t\ttype filter hook input priority filter; policy accept;
\t\tip saddr { 192.0.2.1,
\t\t\t   192.0.2.2 } accept # handle 4
\t}
}
`;
  t.strictSame(
    [...readChainListing(text)].map(([handle, rule]) => [handle, rule.text]),
    [[4n, 'ip saddr { 192.0.2.1, 192.0.2.2 } accept']],
  );
  t.end();
});
