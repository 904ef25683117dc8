/** Networks that were told otherwise than the daemon whether the userland proxy carries their ports. */
import t from 'tap';
import { generations } from '../../../../src/core/generations/all.js';
import { makeBinding, makeNetwork } from '../../../golden/golden.js';

const ipv6 = { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' };
const network = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', {}, { ipv6 });
const hosts = {
  any: makeBinding('0.0.0.0:8080', '10.6.0.2:80'),
  loopback: makeBinding('127.0.0.1:8080', '10.6.0.2:80'),
  address: makeBinding('192.0.2.1:8080', '10.6.0.2:80'),
  any6: makeBinding('[::]:8080', '[fd00:6::2]:80'),
  loopback6: makeBinding('[::1]:8080', '[fd00:6::2]:80'),
} as const;

for (const { name, portRules } of Object.values(generations)) {
  const translations = (
    host: keyof typeof hosts,
    userlandProxy: boolean,
    loopbackSpared: boolean,
  ) =>
    portRules(network, hosts[host], { userlandProxy, loopbackSpared })
      .filter(({ rule }) => rule.table === 'nat' && rule.text.includes('DNAT'))
      .map(({ rule }) => `${rule.chain} ${rule.text.replace(/ -j DNAT.*/, '')}`);

  t.test(`${name}: without the proxy, where the daemon has it`, async (t) => {
    const port = '-p tcp -m tcp --dport 8080';
    t.same(translations('any', false, true), [
      `DOCKER ${port}`,
      `OUTPUT -d 127.0.0.0/8 ${port}`, // which the daemon's jump leaves out
    ]);
    t.same(translations('loopback', false, true), [
      `DOCKER -d 127.0.0.1/32 ${port}`,
      `OUTPUT -d 127.0.0.1/32 ${port}`,
    ]);
    for (const host of ['address', 'any6', 'loopback6'] as const) {
      t.same(translations(host, false, true), translations(host, false, false), host);
    }
  });

  t.test(`${name}: with the proxy, where the daemon has none`, async (t) => {
    const port = '! -i br-x -p tcp -m tcp --dport 8080';
    t.same(translations('any', true, false), [`DOCKER ! -d 127.0.0.0/8 ${port}`]);
    t.same(translations('loopback', true, false), [], 'a matter of the proxy');
    for (const host of ['address', 'any6', 'loopback6'] as const) {
      t.same(translations(host, true, false), translations(host, true, true), host);
    }
  });
}
