/** From which anonymised bundles nothing is explained: their rules would mean other addresses than on the host. */
import t from 'tap';
import { BundleFiles } from '../../../src/cli/explain/bundle/content.js';

const refuse = (anonymised: boolean, name: string, text: string) =>
  new BundleFiles('host.tar.gz', {
    files: new Map([[name, text]]),
    ...{ anonymised, at: '2026-11-27T20:00:00Z', failed: new Map() },
  }).refuseRanges();

t.test('ranges and short prefixes of rules are refused, others are not', async (t) => {
  for (const rule of [
    '-A INPUT -m iprange --src-range 192.0.2.1-192.0.2.9 -j DROP',
    '-A INPUT -m iprange --src-range 2001:db8::1-2001:db8::9 -j DROP',
    '-A INPUT -s 64.0.0.0/2 -j DROP',
    '-A INPUT -s 2001:db8::/12 -j DROP',
    '-A INPUT -s 2001:db8::/31 -j DROP',
  ]) {
    t.throws(
      () => refuse(true, 'rules-ipv6.txt', rule),
      /is anonymised, and rules-ipv6.txt has ranges/,
    );
    t.doesNotThrow(() => refuse(false, 'rules-ipv6.txt', rule), 'as they were on the host');
    t.doesNotThrow(() => refuse(true, 'events.json', rule), 'not of rules');
  }
  for (const value of [
    { range: ['192.0.2.1', '192.0.2.9'] },
    { prefix: { addr: '64.0.0.0', len: 2 } },
    { prefix: { addr: '2001:db8::', len: 12 } },
  ]) {
    t.throws(
      () => refuse(true, 'rules-native.json', JSON.stringify(value)),
      /make a bundle without/,
    );
  }
  for (const rule of [
    '-A INPUT -s 10.0.0.0/8 -j DROP',
    '-A INPUT -s 2001:db8:1::/48 -j DROP',
    '-A INPUT -s 2001:db8::/32 -j DROP',
    '-A INPUT -s fe80::/10 -p ipv6-icmp -j ACCEPT',
    JSON.stringify({ prefix: { addr: 'fe80::', len: 10 } }),
    JSON.stringify({ prefix: { addr: '2001:db8::', len: 32 } }),
  ]) {
    t.doesNotThrow(() => refuse(true, 'rules-ipv6.txt', rule), rule);
  }
});
