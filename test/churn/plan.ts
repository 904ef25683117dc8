/** Records → everything that they say should be on the host: a plan to hold against the kernel. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSave } from '../../src/codec/iptables/iptables-save.js';
import type { Family } from '../../src/core/address.js';
import type { GenerationName } from '../../src/core/generations/generation.js';
import {
  type EndpointId,
  parseEndpointId,
  parseNetworkId,
  vethNames,
} from '../../src/core/names.js';
import { proxiesOf } from '../../src/core/network/neighbour-proxies.js';
import { shapedLink } from '../../src/core/network/shaping.js';
import { parseEndpoint } from '../../src/core/options/endpoint-options.js';
import type { EndpointInput, NetworkInput } from '../../src/core/options/input.js';
import { parseNetwork } from '../../src/core/options/network-options.js';
import { elementText, mapFamilies, portElements } from '../../src/core/port-map/elements.js';
import { hostAndPort } from '../../src/core/ports/port.js';
import { tables } from '../../src/core/rules/rule.js';
import { DesiredRules } from '../../src/driver/rules/desired-rules.js';
import { GenerationChoice } from '../../src/driver/rules/generation-choice.js';
import { decodeEndpoint, decodeNetwork } from '../../src/driver/state/records.js';
import { hostPortsOf, Registry } from '../../src/driver/state/registry.js';
import { limitsOfEndpoint } from '../../src/driver/usecases/limits.js';
import { Yielding } from '../../src/yielding.js';
import type { Lab } from '../lab/lab.js';

/** What the daemon says of itself, as far as the plan depends on it. */
export interface PlanSettings {
  readonly generation: GenerationName;
  readonly ip6tables: string;
}

/** Reads the record folders of a host. Throws on what is no record. */
export function readIntent(lab: Lab): Registry {
  const registry = new Registry();
  for (const { id, value } of readRecords(lab, 'networks')) {
    const record = decodeNetwork(value);
    if (parseNetworkId(id) === undefined) throw new Error(`networks/${id}`);
    registry.addNetwork(parseNetwork(record.input as NetworkInput).spec, record);
  }
  for (const { id, value } of readRecords(lab, 'endpoints')) {
    const record = decodeEndpoint(value);
    const network = registry.network(record.networkId);
    const endpointId = parseEndpointId(id);
    if (network === undefined || endpointId === undefined) {
      throw new Error(`endpoint ${id.slice(0, 12)} is on record without its network`);
    }
    const veth = vethNames(endpointId as EndpointId, record.nameAttempt);
    registry.addEndpoint(
      network,
      { ...parseEndpoint(record.input as EndpointInput, network.spec).spec, veth },
      record,
    );
  }
  return registry;
}

function readRecords(lab: Lab, kind: string): { id: string; value: unknown }[] {
  const folder = lab.path(`/var/lib/tsbridge/${kind}`);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
}

/** What the kernel has of us, and what it should have: the same lines, if all is well. */
export interface Comparison {
  readonly wanted: string[];
  readonly found: string[];
}

/** Rules of our networks, by text and place; the engine's own for docker0 are left out. */
export async function compareRules(
  lab: Lab,
  registry: Registry,
  { generation, ip6tables }: PlanSettings,
): Promise<Comparison> {
  const families: Family[] = ip6tables === 'off' ? [4] : [4, 6];
  const choice = new GenerationChoice(generation, ip6tables !== 'off');
  const wanted: string[] = [];
  const found: string[] = [];
  const planned = new DesiredRules(choice, { userlandProxy: true }, registry);
  for (const family of [4, 6] as const) {
    const groups = planned.groups(family).flatMap(({ rules }) => rules);
    const base = new Set(groups.map(({ rule }) => `${rule.table} ${rule.chain} ${rule.text}`));
    const listing = parseSave((await lab.saveRules(family)).join('\n'));
    for (const table of tables) {
      for (const chain of listing.chains(table)) {
        const rules = listing.rules(table, chain as never);
        const isOurs = chain.startsWith('TSBRIDGE-')
          ? (text: string) => !base.has(`${table} ${chain} ${text}`)
          : namesOurs;
        found.push(...rules.filter(isOurs).map((text) => `${family} ${table} ${chain} ${text}`));
        // An engine that starts beside a repair may add its RETURN twice; that chain is not ours to tidy.
        if (chain === 'DOCKER-USER') continue;
        found.push(...repeated(rules).map((text) => `${family} ${table} ${chain} ${text} (again)`));
      }
    }
    const rules = families.includes(family)
      ? await planned.ofAll(family, listing, new Yielding())
      : [];
    for (const { rule } of rules) {
      wanted.push(`${family} ${rule.table} ${rule.chain} ${rule.text}`);
    }
  }
  // Several networks can want the same rule.
  return { wanted: [...new Set(wanted)], found };
}

/** Addresses that the engine gives to networks: docker0's are 172.17. */
const namesOurs = (text: string): boolean =>
  /\bbr-[0-9a-f]{12}\b|\b172\.(1[89]|2\d|3[01])\.|\b192\.168\.|\bfd00:/.test(text);

function repeated(rules: readonly string[]): string[] {
  return rules.filter((text, index) => rules.indexOf(text) !== index);
}

/** Published ports in the maps and sets of both families. */
export async function compareMap(lab: Lab, registry: Registry): Promise<Comparison> {
  const wanted = registry
    .endpoints()
    .flatMap(({ record, network: { spec } }) =>
      ([4, 6] as const).flatMap((family) =>
        mapFamilies(spec).includes(family)
          ? portElements(spec, hostPortsOf(record), family).map(elementText)
          : [],
      ),
    );
  const listed = await lab.hostNs('nft', 'list', 'ruleset');
  const shown = /\t(?:map|set) (ports|inside|loopback) \{[^}]*elements = \{([^}]*)\}/gs;
  const found = [...listed.matchAll(shown)].flatMap(([, name, elements = '']) =>
    elements.split(',').map((element) => `${name} ${element.trim().replaceAll('"', '')}`),
  );
  return { wanted, found };
}

interface KernelLink {
  ifname: string;
  flags: string[];
  master?: string;
  linkinfo?: { info_kind?: string };
}

export async function compareLinks(lab: Lab, registry: Registry): Promise<Comparison> {
  const links = JSON.parse(await lab.hostNs('ip', '-j', '-d', 'link')) as KernelLink[];
  const found = links
    .filter(({ linkinfo }) => ['bridge', 'veth', 'ifb'].includes(linkinfo?.info_kind ?? ''))
    .filter(({ ifname }) => !['docker0', 'eth0'].includes(ifname))
    .map(({ ifname, flags, master = '-' }) => {
      return `${ifname} ${flags.includes('UP') ? 'up' : 'down'} ${master}`;
    });
  const wanted = [
    ...registry.networks().map(({ spec }) => `${spec.bridge} up -`),
    ...registry.endpoints().map(({ spec, network }) => {
      return `${spec.veth.host} up ${network.spec.bridge}`;
    }),
    ...registry.endpoints().flatMap((state) => {
      const { ifb } = shapedLink(state.spec.veth.host);
      return limitsOfEndpoint(state).up === undefined ? [] : [`${ifb} up -`];
    }),
  ];
  return { wanted, found };
}

/** Addresses of containers for which the host answers on its own interface. */
export async function compareNeighbours(lab: Lab, registry: Registry): Promise<Comparison> {
  const listed = await lab.hostNs('ip', 'neigh', 'show', 'proxy');
  const found = [...listed.matchAll(/^(\S+) dev (\S+)/gm)].map(([, address, device]) => {
    return `${address} on ${device}`;
  });
  const wanted = registry
    .endpoints()
    .filter(({ record }) => record.phase === 'ready')
    .flatMap(({ spec, network }) => proxiesOf(spec, network.spec, undefined))
    .map(({ address, device }) => `${address} on ${device}`);
  return { wanted, found };
}

/** Sockets of the process that holds published ports. */
export async function compareSockets(lab: Lab, registry: Registry): Promise<Comparison> {
  const listed = await lab.hostNs('ss', '-Hlntup');
  const found = listed
    .split('\n')
    .filter((line) => line.includes('tsbridge-proxy'))
    .map((line) => line.split(/\s+/))
    .flatMap(([protocol, , , , local = '']) => {
      // `*`: one socket for both families.
      const addresses = local.startsWith('*:') ? ['0.0.0.0', '[::]'] : [undefined];
      return addresses.map(
        (any) => `${protocol} ${any === undefined ? local : any + local.slice(1)}`,
      );
    });
  const wanted = registry
    .endpoints()
    .flatMap(({ record }) => hostPortsOf(record))
    .map(({ protocol, hostIp, hostPort }) => `${protocol} ${hostAndPort(hostIp, hostPort)}`);
  return { wanted, found };
}

/** Flows of containers that are not there any more. */
export async function staleFlows(lab: Lab, registry: Registry): Promise<string[]> {
  const listed = await lab.hostNs('conntrack', '-L');
  const used = new Set<string>();
  for (const { spec } of registry.endpoints()) if (spec.ipv4) used.add(spec.ipv4.address);
  const gateways = registry.networks().map(({ spec }) => spec.ipv4?.bridgeAddress?.address ?? '');
  for (const address of gateways) used.add(address);
  return listed.split('\n').filter((line) => {
    // The rest is the host's own, of bridges that are gone.
    if (!/^(tcp|udp) /.test(line)) return false;
    const addresses = [...line.matchAll(/\b(?:src|dst)=(\S+)/g)].map(
      ([, address]) => address ?? '',
    );
    return addresses.some((address) => namesOurs(address) && !used.has(address));
  });
}
