import t from 'tap';
import { docker20 } from '../../src/core/firewall/docker20.js';
import {
  goldenSections,
  listing,
  listingOf,
  makeBinding,
  makeEndpoint,
  makeNetwork,
  RuleHost,
} from '../helpers/golden.js';

const sections = goldenSections();
const docker0 = () => makeNetwork('docker0', '172.17.0.0/16', '172.17.0.1');

/** The options behind the names of the variants in the golden file. */
const variants: Readonly<Record<string, { options: Record<string, string>; internal?: true }>> = {
  'icc-false': { options: { 'com.docker.network.bridge.enable_icc': 'false' } },
  'masq-false': { options: { 'com.docker.network.bridge.enable_ip_masquerade': 'false' } },
  internal: { options: {}, internal: true },
  'internal-icc-false': {
    options: { 'com.docker.network.bridge.enable_icc': 'false' },
    internal: true,
  },
  hostip: { options: { 'com.docker.network.host_ipv4': '10.99.0.1' } },
  bindip: { options: { 'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1' } },
  inhibit: { options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' } },
};

for (const engine of ['20.10.24', '26.1.5']) {
  for (const proxy of ['on', 'off']) {
    const settings = { userlandProxy: proxy === 'on', allowDirectRouting: false };
    const golden = (name: string) =>
      listingOf(sections.get(`${engine} proxy=${proxy} ${name}`) ?? '');

    t.test(`${engine}, proxy ${proxy}`, async (t) => {
      const host = new RuleHost(docker20, 4, settings);
      host.addNetwork(docker0());
      t.same(listing(host.found), golden('IPv4: startup, docker0 only'), 'start');
      const u1 = makeNetwork('br-u1', '10.5.0.0/24', '10.5.0.1');
      host.addNetwork(u1);
      t.same(listing(host.found), golden('IPv4: after network create br-u1'), 'network create');
      host.addContainer(docker0(), makeEndpoint(docker0(), '172.17.0.2/16'), [
        makeBinding('0.0.0.0:8080', '172.17.0.2:80'),
      ]);
      host.addContainer(u1, makeEndpoint(u1, '10.5.0.2/24'), [
        makeBinding('127.0.0.1:8081', '10.5.0.2:81'),
        makeBinding('0.0.0.0:5353', '10.5.0.2:53', 'udp'),
      ]);
      t.same(
        listing(host.found),
        golden('IPv4: docker0+c1 -p 8080:80, br-u1+c2 -p 127.0.0.1:8081:81/tcp -p 5353:53/udp'),
        'published ports',
      );
    });

    for (const [variant, { options, internal }] of Object.entries(variants)) {
      t.test(`${engine}, proxy ${proxy}: ${variant}`, async (t) => {
        const host = new RuleHost(docker20, 4, settings);
        const brx = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', options, {
          internal: internal ?? false,
        });
        host.addNetwork(docker0());
        const before = listing(host.found);
        host.addNetwork(brx);
        const ip = variant === 'bindip' ? '127.0.0.1' : '0.0.0.0';
        const ports = internal ? [] : [makeBinding(`${ip}:8085`, '10.6.0.2:80')];
        host.addContainer(brx, makeEndpoint(brx, '10.6.0.2/24'), ports);
        t.same(
          listing(host.found),
          golden(`IPv4: docker0 + br-x 10.6.0.0/24 variant ${variant}, container -p 8085:80`),
        );
        if (ports.length === 0) {
          host.removeNetwork(brx);
          t.same(listing(host.found), before, 'and nothing is left');
        }
      });
    }
  }

  t.test(`${engine}: IPv6`, async (t) => {
    const host = new RuleHost(docker20, 6, { userlandProxy: true, allowDirectRouting: false });
    const brx = makeNetwork(
      'br-x',
      '10.6.0.0/24',
      '10.6.0.1',
      {},
      { ipv6: { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' } },
    );
    host.addNetwork(docker0());
    host.addNetwork(brx);
    host.addContainer(brx, makeEndpoint(brx, '10.6.0.2/24', 'fd00:6::2/64'), [
      makeBinding('0.0.0.0:8085', '10.6.0.2:80'),
      makeBinding('[::]:8085', '[fd00:6::2]:80'),
    ]);
    const found = listing(host.found);
    const title = `${engine} proxy=on IPv6: br-x fd00:6::/64 dual-stack, container -p 8085:80`;
    const wanted = listingOf(sections.get(title) ?? '');
    if (engine === '20.10.24') {
      // DOCKER-USER has an IPv6 twin only from 25.0 on; one generation module serves both.
      delete found['filter DOCKER-USER'];
      found['filter FORWARD'] = found['filter FORWARD']?.slice(1) ?? [];
    }
    t.same(found, wanted);
  });
}
