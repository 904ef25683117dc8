/** Options that Docker's driver does not have, added to requests of engines that knew nothing of them. */
import type { Random } from './random.js';

const uplink = 'eth0';

/** Values that the host in memory can act on. Mutations of the requests turn some of them into others. */
const ofNetworks: Readonly<Record<string, readonly string[]>> = {
  'tsbridge.port_rules': ['map', 'compact', 'compact-shifted', 'docker'],
  'tsbridge.port_isolation': ['true', 'false'],
  'tsbridge.bridge': ['unmanaged'],
  'tsbridge.attach': ['proxy'],
  'tsbridge.parent': [uplink],
  'tsbridge.userland_proxy': ['false', 'true'],
  'tsbridge.iptables': ['false', 'true'],
  'tsbridge.ip6tables': ['false', 'true'],
  'tsbridge.rate_down': ['10mbit', 'none'],
  'tsbridge.burst_down': ['64k'],
  'tsbridge.remote_routes': ['10.77.0.0/24 via 192.0.2.7'],
  'tsbridge.announce': ['addresses', 'subnet'],
  'tsbridge.ndp_proxy': [uplink, 'auto'],
  'tsbridge.publish_from': ['192.0.2.0/24', 'loopback', '2001:db8::/32'],
  'tsbridge.egress_allow': ['192.0.2.0/24:443/tcp', '0.0.0.0/0'],
  'tsbridge.egress_ip': ['192.0.2.9'],
  'tsbridge.no_masquerade_to': ['198.51.100.0/24'],
  'tsbridge.accept_from': ['10.0.0.0/8'],
  'tsbridge.routes': ['10.99.0.0/16 blackhole'],
};
const ofEndpoints: Readonly<Record<string, readonly string[]>> = {
  'tsbridge.rate_up': ['2mbit'],
  'tsbridge.burst_up': ['64k'],
  'tsbridge.host_routes': ['10.88.0.0/24'],
  'tsbridge.egress_allow': ['192.0.2.0/24:443'],
  'tsbridge.egress_ip': ['192.0.2.9'],
};

function some(random: Random, from: typeof ofNetworks): Record<string, string> {
  const names = Object.keys(from);
  const chosen: Record<string, string> = {};
  for (let left = 1 + random.number(3); left > 0; left -= 1) {
    const name = random.pick(names);
    chosen[name] = random.pick(from[name] ?? ['']);
  }
  return chosen;
}

/**
 * A request for networks or endpoints, with one to three of them; any other request as it is.
 *
 * @param text its body, as an engine sent it
 */
export function withOwnOptions(random: Random, method: string, text: string): string {
  const isNetwork = method.endsWith('.CreateNetwork');
  if (!isNetwork && !method.endsWith('.CreateEndpoint')) return text;
  const body = JSON.parse(text) as { Options?: Record<string, unknown> };
  const options = body.Options ?? {};
  const generic = 'com.docker.network.generic';
  const map = random.chance(50) ? { 'tsbridge.port_rules': 'map' } : {};
  const given = isNetwork
    ? { ...(options[generic] as object), ...some(random, ofNetworks), ...map }
    : {};
  return JSON.stringify({
    ...body,
    Options: { ...options, ...(isNetwork ? { [generic]: given } : some(random, ofEndpoints)) },
  });
}
