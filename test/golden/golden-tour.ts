/** Every section of one engine in `test/fixtures/docker-bridge-golden.txt`, played and compared. */
import type { Test } from 'tap';
import type { Family } from '../../src/core/address.js';
import type { Generation } from '../../src/core/generations/generation.js';
import type { RuleSet } from '../../src/core/rules/rule-set.js';
import {
  goldenSections,
  listing,
  listingOf,
  makeBinding,
  makeEndpoint,
  makeNetwork,
  withEngineReturn,
} from './golden.js';
import { RuleHost } from '../fakes/rule-host.js';

interface Variant {
  /** Without `com.docker.network.`. */
  readonly labels: Readonly<Record<string, string>>;
  readonly internal?: true;
  readonly hostIp?: string;
}

/** What the names of the variants in the file stand for. */
const variants: Readonly<Record<string, Variant>> = {
  default: { labels: {} },
  'icc-false': { labels: { 'bridge.enable_icc': 'false' } },
  'masq-false': { labels: { 'bridge.enable_ip_masquerade': 'false' } },
  internal: { labels: {}, internal: true },
  'internal-icc-false': { labels: { 'bridge.enable_icc': 'false' }, internal: true },
  hostip: { labels: { host_ipv4: '10.99.0.1' } },
  bindip: { labels: { 'bridge.host_binding_ipv4': '127.0.0.1' }, hostIp: '127.0.0.1' },
  inhibit: { labels: { 'bridge.inhibit_ipv4': 'true' } },
  'gw-unprot': { labels: { 'bridge.gateway_mode_ipv4': 'nat-unprotected' } },
  'gw-routed': { labels: { 'bridge.gateway_mode_ipv4': 'routed' } },
  'gw-isolated': { labels: { 'bridge.gateway_mode_ipv4': 'isolated' }, internal: true },
  trusted: { labels: { 'bridge.trusted_host_interfaces': 'lo:eth9' } },
};

export interface Engine {
  /** How its sections' titles begin. */
  readonly title: string;
  readonly generation: Generation;
  /**
   * Takes out of a section what this project has on purpose and the engine has not; each use
   * says why.
   */
  readonly adapt?: (section: string, found: Record<string, readonly string[]>) => void;
}

/** Also plays everything backwards, which must lead to the state before. */
export function goldenTour(t: Test, { title, generation, adapt }: Engine): void {
  const sections = [...goldenSections()].filter(([name]) => name.startsWith(title));
  t.ok(sections.length > 0, `the file has sections of ${title}`);
  for (const [name, text] of sections) {
    t.test(name, async (t) => {
      const { host, undo, before } = play(name, generation);
      const found = withEngineReturn(generation.name, listing(host.found));
      adapt?.(name, found);
      t.same(found, listingOf(text));
      undo();
      t.same(listing(host.found), before, 'and nothing is left');
    });
  }
}

interface Played {
  readonly host: RuleHost;
  /** The listing that `undo` must lead back to. */
  readonly before: ReturnType<typeof listing>;
  undo(): void;
}

/** Does what a section's title says. */
export function play(name: string, generation: Generation, found?: RuleSet): Played {
  const family: Family = name.includes('IPv6:') ? 6 : 4;
  const settings = { userlandProxy: name.includes('proxy=on') };
  const host = new RuleHost(generation, family, settings, found);
  // An engine makes the shared chains when it starts; we make them with the first rule that needs
  // them, and leave them there.
  const ipv6 = { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' };
  const first = makeNetwork('br-first', '10.9.0.0/24', '10.9.0.1', {}, { ipv6 });
  host.addNetwork(first);
  host.removeNetwork(first);
  const docker0 = makeNetwork('docker0', '172.17.0.0/16', '172.17.0.1');
  host.addNetwork(docker0);
  const before = listing(host.found);
  const undo = (): void => {
    for (const step of steps.toReversed()) step();
  };
  const steps: (() => void)[] = [];
  const network = (spec: typeof docker0): typeof docker0 => {
    host.addNetwork(spec);
    steps.push(() => host.removeNetwork(spec));
    return spec;
  };
  const container = (...args: Parameters<RuleHost['addContainer']>): void => {
    host.addContainer(...args);
    steps.push(() => host.removeContainer(...args));
  };
  const variant = /variant (\S+),/.exec(name)?.[1];
  if (variant !== undefined) {
    const { labels, internal, hostIp } = variants[variant] ?? unknown(name);
    const options = Object.fromEntries(
      Object.entries(labels).map(([label, value]) => [`com.docker.network.${label}`, value]),
    );
    const brx = network(
      makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', options, { internal: internal ?? false }),
    );
    const ports = internal ? [] : [makeBinding(`${hostIp ?? '0.0.0.0'}:8085`, '10.6.0.2:80')];
    container(brx, makeEndpoint(brx, '10.6.0.2/24'), ports);
  } else if (name.includes('fd00:6::/64')) {
    const brx = network(makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', {}, { ipv6 }));
    container(brx, makeEndpoint(brx, '10.6.0.2/24', 'fd00:6::2/64'), [
      makeBinding('0.0.0.0:8085', '10.6.0.2:80'),
      makeBinding('[::]:8085', '[fd00:6::2]:80'),
    ]);
  } else if (name.includes('container on docker0')) {
    const [, from = '', to = ''] = /-p ([\d.]+:\d+):([\d.]+:\d+)$/.exec(name) ?? unknown(name);
    const endpoint = makeEndpoint(docker0, to.replace(/:.*/, '/16'));
    container(docker0, endpoint, [makeBinding(from, to)]);
  } else if (!name.includes('startup')) {
    const u1 = network(makeNetwork('br-u1', '10.5.0.0/24', '10.5.0.1'));
    if (name.includes('c1 -p 8080:80')) {
      container(docker0, makeEndpoint(docker0, '172.17.0.2/16'), [
        makeBinding('0.0.0.0:8080', '172.17.0.2:80'),
      ]);
      container(u1, makeEndpoint(u1, '10.5.0.2/24'), [
        makeBinding('127.0.0.1:8081', '10.5.0.2:81'),
        makeBinding('0.0.0.0:5353', '10.5.0.2:53', 'udp'),
      ]);
    }
  }
  return { host, before, undo };
}

function unknown(name: string): never {
  throw new Error(`no such variant: ${name}`);
}
