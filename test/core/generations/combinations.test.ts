/**
 * The full cross product of what changes rules. For each chain `features` says what of a
 * combination its rules depend on; combinations with the same features share one section of
 * `test/golden/GENERATION.txt`, and different features must give different rules.
 */
import t from 'tap';
import type { Family } from '../../../src/core/address.js';
import { generations } from '../../../src/core/generations/all.js';
import type { Generation } from '../../../src/core/generations/generation.js';
import {
  type GatewayMode,
  gatewayModes,
  type NetworkSpec,
} from '../../../src/core/network/network.js';
import { RuleHost } from '../../fakes/rule-host.js';
import { listing, makeBinding, makeEndpoint, makeNetwork } from '../../golden/golden.js';
import { GoldenFile } from '../../golden/golden-file.js';

const bindings = {
  any: { 4: '0.0.0.0', 6: '[::]' },
  loopback: { 4: '127.0.0.1', 6: '[::1]' },
  address: { 4: '10.99.0.1', 6: '[fd00:99::1]' },
} as const;

interface Combination {
  readonly internal: boolean;
  readonly icc: boolean;
  readonly masquerade: boolean;
  readonly hostAddress: boolean;
  readonly mode: GatewayMode;
  readonly proxy: boolean;
  readonly binding: keyof typeof bindings;
}

const either = [true, false];

function* combinations(): Generator<Combination> {
  for (const internal of either)
    for (const icc of either)
      for (const masquerade of either)
        for (const hostAddress of either)
          for (const mode of gatewayModes)
            for (const proxy of either)
              for (const binding of ['any', 'loopback', 'address'] as const) {
                // Refused: `isolated` can only be used for an internal network.
                if (mode === 'isolated' && !internal) continue;
                yield { internal, icc, masquerade, hostAddress, mode, proxy, binding };
              }
}

/** What the rules of a chain depend on, from docs/docker-bridge.md 2.1 to 2.9 and 3.4. */
function features(name: string, family: Family, chain: string, c: Combination): string[] {
  const modes = name === 'docker28' || name === 'docker29';
  const external = !c.internal;
  const routed = external && modes && c.mode === 'routed';
  const translated = external && !routed;
  const when = (condition: boolean, feature: string): string[] => (condition ? [feature] : []);
  const proxy = c.proxy ? 'proxy on' : 'proxy off';
  const source = c.hostAddress && name !== 'docker17' ? 'host address' : 'masquerade';
  const kind = c.internal ? 'internal' : 'external';
  switch (chain) {
    case 'nat OUTPUT':
      return [proxy];
    case 'nat POSTROUTING':
      return [
        proxy,
        ...when(translated && c.masquerade, `outward: ${source}`),
        ...when(external && !c.proxy, `from the host: ${source}`),
        ...when(modes ? translated && !c.proxy : external, 'published'),
      ];
    case 'nat DOCKER':
      return [
        ...when(name !== 'docker29' || translated, proxy),
        ...when(external && c.masquerade && c.proxy && name !== 'docker29', 'left to the proxy'),
        ...when(translated, `published on ${c.binding}`),
      ];
    case 'mangle POSTROUTING':
      return when(external && name === 'docker20', 'sctp');
    case 'raw PREROUTING':
      return [
        ...when(translated && modes && c.mode === 'nat', 'direct access dropped'),
        ...when(
          translated && modes && c.binding === 'loopback' && family === 4,
          'published on loopback',
        ),
      ];
    case 'filter FORWARD':
      return modes ? [] : [kind, c.icc ? 'icc on' : 'icc off'];
    case 'filter DOCKER-FORWARD':
      return [kind, c.icc ? 'icc on' : 'icc off'];
    case 'filter DOCKER':
      return modes && external ? [c.mode] : [kind];
    case 'filter DOCKER-ISOLATION-STAGE-1':
      return [routed ? 'routed' : kind];
    case 'filter DOCKER-ISOLATION':
    case 'filter DOCKER-ISOLATION-STAGE-2':
    case 'filter DOCKER-CT':
    case 'filter DOCKER-BRIDGE':
    case 'filter DOCKER-INTERNAL':
      return [kind];
    default:
      return [];
  }
}

const ipv6 = (subnet: string) => ({ ipv6: { subnet: `${subnet}/64`, gateway: `${subnet}1/64` } });
const docker0 = makeNetwork('docker0', '172.17.0.0/16', '172.17.0.1', {}, ipv6('fd00:17::'));
/** Their options are parsed once, which is where most of the time would go. */
const networks = new Map<string, NetworkSpec>();

function networkOf(c: Combination): NetworkSpec {
  const labels: Record<string, string> = {
    'bridge.enable_icc': String(c.icc),
    'bridge.enable_ip_masquerade': String(c.masquerade),
    'bridge.gateway_mode_ipv4': c.mode,
    'bridge.gateway_mode_ipv6': c.mode,
    ...(c.hostAddress ? { host_ipv4: '10.99.0.9', host_ipv6: 'fd00:99::9' } : {}),
  };
  const options = Object.fromEntries(
    Object.entries(labels).map(([label, value]) => [`com.docker.network.${label}`, value]),
  );
  const key = JSON.stringify([c.internal, options]);
  const known = networks.get(key);
  if (known !== undefined) return known;
  const made = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', options, {
    internal: c.internal,
    ...ipv6('fd00:6::'),
  });
  networks.set(key, made);
  return made;
}

function play(generation: Generation, family: Family, c: Combination): RuleHost {
  const host = new RuleHost(generation, family, { userlandProxy: c.proxy });
  host.addNetwork(docker0);
  const brx = networkOf(c);
  host.addNetwork(brx);
  const ip = bindings[c.binding];
  // The engine asks for no ports on an internal network.
  const ports = c.internal
    ? []
    : [
        makeBinding(`${ip[4]}:8085`, '10.6.0.2:80'),
        makeBinding(`${ip[6]}:8085`, '[fd00:6::2]:80'),
        makeBinding(`${ip[4]}:9899`, '10.6.0.2:99', 'sctp'),
        makeBinding(`${ip[6]}:9899`, '[fd00:6::2]:99', 'sctp'),
      ];
  host.addContainer(brx, makeEndpoint(brx, '10.6.0.2/24', 'fd00:6::2/64'), ports);
  return host;
}

const builtIn = [
  'raw PREROUTING',
  'mangle POSTROUTING',
  'nat PREROUTING',
  'nat OUTPUT',
  'nat POSTROUTING',
  'filter FORWARD',
];

for (const generation of Object.values(generations)) {
  t.test(generation.name, async (t) => {
    const golden = new GoldenFile(generation.name);
    let count = 0;
    for (const combination of combinations()) {
      for (const family of [4, 6] as const) {
        const found = listing(play(generation, family, combination).found);
        const title = `${JSON.stringify(combination)} IPv${family}`;
        if (generation.name === 'docker17' && family === 6) {
          if (Object.keys(found).length > 0) t.fail(`${title}: 17.03 never touches ip6tables`);
          continue;
        }
        count += 1;
        const wrong = [...new Set([...builtIn, ...Object.keys(found)])].filter((chain) => {
          const of = features(generation.name, family, chain, combination).join(', ') || 'always';
          const lines = found[chain] ?? [];
          const expected = golden.expected(`IPv${family} ${chain}: ${of}`, lines);
          if (expected !== undefined && expected.join('\n') === lines.join('\n')) return false;
          t.same(lines, expected, `${title} ${chain}: ${of}`);
          return true;
        });
        if (wrong.length > 3) return;
      }
    }
    t.equal(count, generation.name === 'docker17' ? 336 : 672);
    t.same(golden.finish(), [], 'no section that nothing needs');
    const seen = new Map<string, string>();
    for (const [title, lines] of golden.sections) {
      const body = `${title.slice(0, title.indexOf(':'))}\n${lines.join('\n')}`;
      t.equal(seen.get(body), undefined, `${title} differs from the chain's other sections`);
      seen.set(body, title);
    }
  });
}
