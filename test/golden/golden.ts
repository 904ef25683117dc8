/** The rule dumps of real engines in `test/fixtures/docker-bridge-golden.txt`, section by section. */
import { readFileSync } from 'node:fs';
import { parseSave } from '../../src/codec/iptables/iptables-save.js';
import type { IpAddress } from '../../src/core/address.js';
import { parseCidr, parseIp } from '../../src/core/address.js';
import {
  type InterfaceName,
  parseEndpointId,
  parseInterfaceName,
  parseNetworkId,
  vethNames,
} from '../../src/core/names.js';
import type { EndpointSpec } from '../../src/core/network/endpoint.js';
import { defaultMac } from '../../src/core/network/endpoint.js';
import type { NetworkSpec } from '../../src/core/network/network.js';
import { parseNetwork } from '../../src/core/options/network-options.js';
import { type PortBinding, type Protocol, parsePort } from '../../src/core/ports/port.js';
import { tables } from '../../src/core/rules/rule.js';
import type { RuleSet } from '../../src/core/rules/rule-set.js';

const files = ['docker-bridge-golden.txt', 'documented-flows.txt'].map(
  (name) => new URL(`../fixtures/${name}`, import.meta.url),
);

/** Title without `===` → save text. Sections that only say `(identical to X)` lead to X's text. */
export function goldenSections(): Map<string, string> {
  const sections = new Map<string, string>();
  const parts = files.flatMap((file) => readFileSync(file, 'utf8').split(/^=== /m).slice(1));
  for (const part of parts) {
    const end = part.indexOf('\n');
    const title = part.slice(0, end);
    const body = part.slice(end + 1).trim();
    const other = /^\(identical to (\S+)\)$/.exec(body)?.[1];
    const text = other === undefined ? body : sections.get(title.replace(/^\S+/, other));
    if (text === undefined) throw new Error(`golden section ${title}: ${body}`);
    sections.set(title, text);
  }
  return sections;
}

/** Chain by chain, the lines in order: what two rule sets must agree in. */
export function listing(rules: RuleSet): Record<string, readonly string[]> {
  const chains: Record<string, readonly string[]> = {};
  for (const table of tables) {
    for (const chain of rules.chains(table).sort()) {
      const lines = rules.rules(table, chain as 'FORWARD');
      const builtIn = /^(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/.test(chain);
      if (builtIn && lines.length === 0) continue;
      chains[`${table} ${chain}`] = [...lines];
    }
  }
  return chains;
}

export const listingOf = (saveText: string): Record<string, readonly string[]> =>
  listing(parseSave(saveText));

/**
 * With the RETURN that engines up to 27 append to DOCKER-USER themselves, whatever the driver of a
 * network: the one rule of theirs that this project never writes.
 */
export function withEngineReturn(
  generation: string,
  found: Record<string, readonly string[]>,
): Record<string, readonly string[]> {
  const chain = 'filter DOCKER-USER';
  if (generation !== 'docker20' || found[chain] === undefined) return found;
  return { ...found, [chain]: [...found[chain], '-j RETURN'] };
}

const hex = (seed: string): string =>
  Buffer.from(seed.padEnd(32, '.')).toString('hex').slice(0, 64);

/** A network as CreateNetwork would make it from these options. */
export function makeNetwork(
  bridge: string,
  subnet: string,
  gateway: string,
  options: Record<string, string> = {},
  more: { internal?: boolean; ipv6?: { subnet: string; gateway: string } } = {},
): NetworkSpec {
  const id = parseNetworkId(hex(bridge));
  if (id === undefined) throw new Error(`no network id from ${bridge}`);
  const prefix = subnet.slice(subnet.indexOf('/'));
  const { spec } = parseNetwork(
    {
      networkId: id,
      options: {
        ...(more.internal ? { 'com.docker.network.internal': true } : {}),
        ...(more.ipv6 ? { 'com.docker.network.enable_ipv6': true } : {}),
        'com.docker.network.generic': { 'com.docker.network.bridge.name': bridge, ...options },
      },
      ipv4Data: [{ addressSpace: 'LocalDefault', pool: subnet, gateway: `${gateway}${prefix}` }],
      ipv6Data: more.ipv6 ? [{ pool: more.ipv6.subnet, gateway: more.ipv6.gateway }] : [],
    },
    {},
  );
  return spec;
}

export function makeEndpoint(network: NetworkSpec, address: string, ipv6?: string): EndpointSpec {
  const id = parseEndpointId(hex(`${network.bridge}${address}`));
  const ipv4 = parseCidr(address);
  if (id === undefined) throw new Error(`no endpoint id from ${address}`);
  return {
    id,
    networkId: network.id,
    ipv4,
    ipv6: ipv6 === undefined ? undefined : parseCidr(ipv6),
    mac: defaultMac(id, ipv4),
    veth: vethNames(id),
  };
}

/** `binding('0.0.0.0:8080', '172.17.0.2:80')`, IPv6 in brackets. */
export function makeBinding(
  host: string,
  container: string,
  protocol: Protocol = 'tcp',
): PortBinding {
  const from = split(host);
  const to = split(container);
  return {
    protocol,
    hostIp: from.ip,
    hostPort: from.port,
    containerIp: to.ip,
    containerPort: to.port,
  };
}

function split(text: string) {
  const colon = text.lastIndexOf(':');
  const ip = parseIp(text.slice(0, colon).replace(/[[\]]/g, ''));
  const port = parsePort(Number(text.slice(colon + 1)));
  if (ip === undefined || port === undefined) throw new Error(`not an address and port: ${text}`);
  return { ip: ip as IpAddress, port };
}

export function interfaceName(text: string): InterfaceName {
  const name = parseInterfaceName(text);
  if (name === undefined) throw new Error(`not an interface name: ${text}`);
  return name;
}
