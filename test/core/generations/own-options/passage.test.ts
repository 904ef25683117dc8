/** The rules of options about what may pass, in chains of the driver's own. */
import t from 'tap';
import { parseCidr } from '../../../../src/core/address.js';
import {
  endpointPassageRules,
  guardRules,
  networkPassageRules,
  openedPassageRules,
  portPassageRules,
} from '../../../../src/core/generations/own-options/passage.js';
import { passageGroups } from '../../../../src/core/generations/own-options/passage-chains.js';
import { readPassage } from '../../../../src/core/options/own/passage-options.js';
import { Problems } from '../../../../src/core/problems.js';
import type { PlacedRule } from '../../../../src/core/rules/rule.js';
import { makeBinding, makeEndpoint, makeNetwork } from '../../../golden/golden.js';

const texts = (rules: readonly PlacedRule[]) =>
  rules.map(
    ({ place, rule }) => `${rule.family} ${place} ${rule.table} ${rule.chain} ${rule.text}`,
  );
const both = { ipv6: { subnet: 'fd00:5::/64', gateway: 'fd00:5::1/64' } };
const net = (options: Record<string, string>, more = {}) =>
  makeNetwork('br-x', '10.5.0.0/24', '10.5.0.1', options, more);
const endpointOf = (network: ReturnType<typeof net>, options: Record<string, string> = {}) => {
  const passage = readPassage(options, 'endpoint', new Problems());
  const endpoint = makeEndpoint(network, '10.5.0.2/24', 'fd00:5::2/64');
  return passage === undefined ? endpoint : { ...endpoint, passage };
};

t.test('without the options there are none', async (t) => {
  const network = net({}, both);
  const endpoint = endpointOf(network);
  const binding = makeBinding('0.0.0.0:8080', '10.5.0.2:80');
  for (const family of [4, 6] as const) {
    t.same(networkPassageRules(network, family), []);
    t.same(endpointPassageRules(network, endpoint, family), []);
  }
  t.same(portPassageRules(network, endpoint, binding), []);
  t.same(openedPassageRules(network, endpoint, binding), []);
});

t.test('the groups of chains', async (t) => {
  t.same(
    passageGroups(4).map(({ chains, rules }) => [
      chains.map(({ table, chain }) => `${table} ${chain}`),
      texts(rules),
    ]),
    [
      [['nat TSBRIDGE-SOURCE'], ['4 anchor nat POSTROUTING -j TSBRIDGE-SOURCE']],
      [['raw TSBRIDGE-ANSWERS'], ['4 anchor raw PREROUTING -j TSBRIDGE-ANSWERS']],
      [
        ['mangle TSBRIDGE-EGRESS-DROP', 'mangle TSBRIDGE-EGRESS'],
        [
          '4 anchor mangle PREROUTING -j TSBRIDGE-EGRESS',
          '4 anchor mangle TSBRIDGE-EGRESS -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN',
          '4 end mangle TSBRIDGE-EGRESS -j TSBRIDGE-EGRESS-DROP',
        ],
      ],
      [
        ['mangle TSBRIDGE-PUBLISH-DROP', 'mangle TSBRIDGE-PUBLISH'],
        [
          '4 anchor mangle FORWARD -j TSBRIDGE-PUBLISH',
          '4 anchor mangle TSBRIDGE-PUBLISH -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN',
          '4 end mangle TSBRIDGE-PUBLISH -j TSBRIDGE-PUBLISH-DROP',
        ],
      ],
      [
        ['mangle TSBRIDGE-PROXY-DROP', 'mangle TSBRIDGE-PROXY'],
        [
          '4 anchor mangle INPUT -j TSBRIDGE-PROXY',
          '4 anchor mangle TSBRIDGE-PROXY -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN',
          '4 anchor mangle TSBRIDGE-PROXY -i lo -j RETURN',
          '4 end mangle TSBRIDGE-PROXY -j TSBRIDGE-PROXY-DROP',
        ],
      ],
    ],
  );
});

t.test('with which source address containers leave', async (t) => {
  const network = net(
    {
      'tsbridge.egress_ip': '192.0.2.9,2001:db8::9',
      'tsbridge.no_masquerade_to': '172.16.0.0/12,0.0.0.0/0,2001:db8:9::/48',
    },
    both,
  );
  t.same(texts(networkPassageRules(network, 4)), [
    '4 top nat TSBRIDGE-SOURCE -s 10.5.0.0/24 -d 172.16.0.0/12 ! -o br-x -j ACCEPT',
    '4 top raw TSBRIDGE-ANSWERS -s 172.16.0.0/12 -d 10.5.0.0/24 ! -i br-x -j ACCEPT',
    '4 top nat TSBRIDGE-SOURCE -s 10.5.0.0/24 ! -o br-x -j ACCEPT',
    '4 top raw TSBRIDGE-ANSWERS -d 10.5.0.0/24 ! -i br-x -j ACCEPT',
  ]);
  t.same(texts(networkPassageRules(network, 6)), [
    '6 top nat TSBRIDGE-SOURCE -s fd00:5::/64 -d 2001:db8:9::/48 ! -o br-x -j ACCEPT',
    '6 top raw TSBRIDGE-ANSWERS -s 2001:db8:9::/48 -d fd00:5::/64 ! -i br-x -j ACCEPT',
  ]);
  t.same(networkPassageRules({ ...network, masquerade: false }, 4), []);
  t.same(texts(endpointPassageRules(network, endpointOf(network), 4)), [
    '4 end nat TSBRIDGE-SOURCE -s 10.5.0.2/32 ! -o br-x -j SNAT --to-source 192.0.2.9',
  ]);
  t.same(texts(endpointPassageRules(network, endpointOf(network), 6)), [
    '6 end nat TSBRIDGE-SOURCE -s fd00:5::2/128 ! -o br-x -j SNAT --to-source 2001:db8::9',
  ]);
  const none = endpointOf(network, { 'tsbridge.egress_ip': 'none' });
  t.same(endpointPassageRules(network, none, 4), []);
  const own = endpointOf(network, { 'tsbridge.egress_ip': '192.0.2.10' });
  t.match(texts(endpointPassageRules(network, own, 4)), [/192\.0\.2\.10$/]);
  t.same(endpointPassageRules(network, own, 6), [], 'the endpoint has said all');
  t.same(endpointPassageRules(network, { ...own, ipv4: undefined }, 4), []);
});

t.test('the address on which its ports are published', async (t) => {
  const network = net({ 'tsbridge.egress_ip': 'published' }, both);
  const endpoint = endpointOf(network);
  t.same(endpointPassageRules(network, endpoint, 4), []);
  const rules = (host: string, container: string) =>
    texts(portPassageRules(network, endpoint, makeBinding(host, container)));
  t.same(rules('192.0.2.9:80', '10.5.0.2:80'), [
    '4 end nat TSBRIDGE-SOURCE -s 10.5.0.2/32 ! -o br-x -j SNAT --to-source 192.0.2.9',
  ]);
  for (const host of ['0.0.0.0:80', '127.0.0.1:80', '[2001:db8::9]:80']) {
    t.same(rules(host, '10.5.0.2:80'), [], host);
  }
});

t.test('what containers may open connections to', async (t) => {
  const allow =
    '192.0.2.0/24,0.0.0.0/0:443/tcp,198.51.100.7:8000-8001,[2001:db8::/32]:53/udp,2001:db8:9::/48';
  const network = net({ 'tsbridge.egress_allow': allow }, both);
  const endpoint = endpointOf(network);
  t.same(texts(networkPassageRules(network, 4)), [
    '4 end mangle TSBRIDGE-EGRESS-DROP ! -d 10.5.0.0/24 -i br-x -j DROP',
    '4 end mangle TSBRIDGE-EGRESS-DROP -i br-x -m addrtype --dst-type LOCAL,BROADCAST -j DROP',
  ]);
  t.same(texts(networkPassageRules(network, 6)), [
    '6 top mangle TSBRIDGE-EGRESS -d ff02::/16 -i br-x -p ipv6-icmp -j RETURN',
    '6 top mangle TSBRIDGE-EGRESS -d fe80::/10 -i br-x -p ipv6-icmp -j RETURN',
    '6 top mangle TSBRIDGE-EGRESS -d fd00:5::/64 -i br-x -p ipv6-icmp -j RETURN',
    '6 end mangle TSBRIDGE-EGRESS-DROP ! -d fd00:5::/64 -i br-x -j DROP',
    '6 end mangle TSBRIDGE-EGRESS-DROP -i br-x -m addrtype --dst-type LOCAL,ANYCAST -j DROP',
  ]);
  const from = '-i br-x';
  t.same(texts(endpointPassageRules(network, endpoint, 4)), [
    `4 top mangle TSBRIDGE-EGRESS -s 10.5.0.2/32 -d 192.0.2.0/24 ${from} -j RETURN`,
    `4 top mangle TSBRIDGE-EGRESS -s 10.5.0.2/32 ${from} -p tcp -m tcp --dport 443 -j RETURN`,
    `4 top mangle TSBRIDGE-EGRESS -s 10.5.0.2/32 -d 198.51.100.7/32 ${from} -p tcp -m tcp --dport 8000:8001 -j RETURN`,
    `4 top mangle TSBRIDGE-EGRESS -s 10.5.0.2/32 -d 198.51.100.7/32 ${from} -p udp -m udp --dport 8000:8001 -j RETURN`,
  ]);
  t.same(texts(endpointPassageRules(network, endpoint, 6)), [
    `6 top mangle TSBRIDGE-EGRESS -s fd00:5::2/128 -d 2001:db8::/32 ${from} -p udp -m udp --dport 53 -j RETURN`,
    `6 top mangle TSBRIDGE-EGRESS -s fd00:5::2/128 -d 2001:db8:9::/48 ${from} -j RETURN`,
  ]);
  const any = endpointOf(network, { 'tsbridge.egress_allow': 'any' });
  t.same(texts(endpointPassageRules(network, any, 4)), [
    '4 top mangle TSBRIDGE-EGRESS -s 10.5.0.2/32 -i br-x -j RETURN',
  ]);
  const four = net({ 'tsbridge.egress_allow': 'none' });
  t.same(texts(networkPassageRules(four, 6)), [
    '6 end mangle TSBRIDGE-EGRESS-DROP -i br-x -j DROP',
  ]);
  const plain = net({});
  const alone = endpointOf(plain, { 'tsbridge.egress_allow': '192.0.2.0/24' });
  t.same(networkPassageRules(plain, 4), []);
  t.same(texts(endpointPassageRules(plain, alone, 4)), [
    '4 top mangle TSBRIDGE-EGRESS -s 10.5.0.2/32 -d 192.0.2.0/24 -i br-x -j RETURN',
    '4 end mangle TSBRIDGE-EGRESS-DROP -s 10.5.0.2/32 ! -d 10.5.0.0/24 -i br-x -j DROP',
    '4 end mangle TSBRIDGE-EGRESS-DROP -s 10.5.0.2/32 -i br-x -m addrtype --dst-type LOCAL,BROADCAST -j DROP',
    // Its address on another network.
    '4 end mangle TSBRIDGE-EGRESS-DROP ! -s 10.5.0.0/24 ! -d 10.5.0.0/24 -i br-x -j DROP',
    '4 end mangle TSBRIDGE-EGRESS-DROP ! -s 10.5.0.0/24 -i br-x -m addrtype --dst-type LOCAL,BROADCAST -j DROP',
  ]);
  t.same(
    texts(endpointPassageRules(plain, alone, 6)),
    ['6 end mangle TSBRIDGE-EGRESS-DROP -i br-x -j DROP'],
    'a family that the network does not have is closed, as by a list of the network',
  );
  t.same(endpointPassageRules(plain, endpointOf(plain), 6), []);
  t.same(endpointPassageRules(four, endpointOf(four), 6), [], 'the network has closed it');
  t.same(endpointPassageRules(network, { ...alone, ipv6: undefined }, 6), []);
});

t.test('what containers may open connections to from other addresses than their own', async (t) => {
  const plain = net({}, both);
  const alone = endpointOf(plain, { 'tsbridge.egress_allow': '[2001:db8::]:53' });
  const linkLocal = ['ff02::/16', 'fe80::/10', 'fd00:5::/64'];
  t.same(
    texts(endpointPassageRules(plain, alone, 6)).slice(-5),
    [
      ...linkLocal.map(
        (to) =>
          `6 top mangle TSBRIDGE-EGRESS ! -s fd00:5::/64 -d ${to} -i br-x -p ipv6-icmp -j RETURN`,
      ),
      '6 end mangle TSBRIDGE-EGRESS-DROP ! -s fd00:5::/64 ! -d fd00:5::/64 -i br-x -j DROP',
      '6 end mangle TSBRIDGE-EGRESS-DROP ! -s fd00:5::/64 -i br-x -m addrtype --dst-type LOCAL,ANYCAST -j DROP',
    ],
    'its link-local address',
  );
  const hostRoutes = ['10.88.0.0/24', 'fd00:88::/64'].flatMap((text) => parseCidr(text) ?? []);
  const router = (network: typeof plain, allow: string) =>
    texts(
      endpointPassageRules(
        network,
        { ...endpointOf(network, { 'tsbridge.egress_allow': allow }), hostRoutes },
        4,
      ),
    );
  t.same(
    router(plain, 'any'),
    ['4 top mangle TSBRIDGE-EGRESS -s 10.88.0.0/24 -i br-x -j RETURN'],
    'what is behind a container, whatever the lists of others hold',
  );
  const held = net({ 'tsbridge.egress_allow': 'none' }, both);
  t.same(router(held, 'any'), [
    '4 top mangle TSBRIDGE-EGRESS -s 10.5.0.2/32 -i br-x -j RETURN',
    '4 top mangle TSBRIDGE-EGRESS -s 10.88.0.0/24 -i br-x -j RETURN',
  ]);
  t.same(router(held, '192.0.2.1'), [
    '4 top mangle TSBRIDGE-EGRESS -s 10.5.0.2/32 -d 192.0.2.1/32 -i br-x -j RETURN',
    '4 top mangle TSBRIDGE-EGRESS -s 10.88.0.0/24 -d 192.0.2.1/32 -i br-x -j RETURN',
  ]);
});

t.test('from where published ports are reached', async (t) => {
  const options = { 'tsbridge.publish_from': '192.0.2.0/24,0.0.0.0/0,2001:db8::/32,dev:eth1' };
  const network = net(options, both);
  const endpoint = endpointOf(network);
  t.same(texts(endpointPassageRules(network, endpoint, 4)), [
    '4 top mangle TSBRIDGE-PUBLISH -s 192.0.2.0/24 -d 10.5.0.2/32 -o br-x -j RETURN',
    '4 top mangle TSBRIDGE-PUBLISH -d 10.5.0.2/32 -o br-x -j RETURN',
    '4 top mangle TSBRIDGE-PUBLISH -d 10.5.0.2/32 -i eth1 -o br-x -j RETURN',
  ]);
  t.same(texts(endpointPassageRules(network, endpoint, 6)), [
    '6 top mangle TSBRIDGE-PUBLISH -s 2001:db8::/32 -d fd00:5::2/128 -o br-x -j RETURN',
    '6 top mangle TSBRIDGE-PUBLISH -d fd00:5::2/128 -i eth1 -o br-x -j RETURN',
  ]);
  const few = net({ 'tsbridge.publish_from': '192.0.2.0/24,dev:eth1' }, both);
  const forwarded =
    '4 end mangle TSBRIDGE-PUBLISH-DROP -d 10.5.0.2/32 ! -i br-x -o br-x -p tcp -m tcp --dport 80 -j DROP';
  const rules = (host: string, container: string, of = few) =>
    texts(portPassageRules(of, endpointOf(of), makeBinding(host, container)));
  t.same(rules('0.0.0.0:8080', '10.5.0.2:80'), [
    forwarded,
    '4 top mangle TSBRIDGE-PROXY -s 192.0.2.0/24 -p tcp -m tcp --dport 8080 -j RETURN',
    '4 top mangle TSBRIDGE-PROXY -i eth1 -p tcp -m tcp --dport 8080 -j RETURN',
    '4 end mangle TSBRIDGE-PROXY-DROP ! -i br-x -p tcp -m tcp --dport 8080 -j DROP',
  ]);
  t.same(rules('[2001:db8::1]:8080', '10.5.0.2:80'), [
    '6 top mangle TSBRIDGE-PROXY -d 2001:db8::1/128 -i eth1 -p tcp -m tcp --dport 8080 -j RETURN',
    '6 end mangle TSBRIDGE-PROXY-DROP -d 2001:db8::1/128 ! -i br-x -p tcp -m tcp --dport 8080 -j DROP',
  ]);
  t.same(
    rules('127.0.0.1:8080', '10.5.0.2:80'),
    [
      forwarded,
      '4 end mangle TSBRIDGE-PROXY-DROP -d 127.0.0.1/32 ! -i br-x -p tcp -m tcp --dport 8080 -j DROP',
    ],
    'the host alone reaches it',
  );
  const hairpin = net({ 'tsbridge.publish_from': 'loopback', 'tsbridge.userland_proxy': 'false' });
  t.same(rules('0.0.0.0:8080', '10.5.0.2:80', hairpin), [forwarded], 'nobody listens');
  const opened = makeBinding('0.0.0.0:8080', '10.5.0.2:80');
  t.same(texts(openedPassageRules(few, endpointOf(few), opened)), [forwarded]);
  const everybody = endpointOf(few, { 'tsbridge.publish_from': 'everywhere' });
  t.same(endpointPassageRules(few, everybody, 4), []);
  t.same(guardRules(few, everybody, opened), []);
});
