/** What may be in a bundle, part by part. Everything that is not named here is withheld. */
import type { AllowList } from './allowed.js';

const compose = { project: 'name', service: 'name' } as const;

export const namesAllowed: AllowList = {
  from: 'word',
  asOf: 'word',
  stale: 'boolean',
  containers: [{ id: 'word', name: 'name', compose, running: 'boolean', endpoints: ['word'] }],
  networks: [{ id: 'word', name: 'name' }],
};

const watch = {
  last: { at: 'word', author: 'word', count: 'number', durationMs: 'number' },
  steppedBack: 'boolean',
} as const;

/** Of the status, texts of differences and of what is degraded are left out: they quote names and options. */
export const statusAllowed: AllowList = {
  ...{ version: 'word', build: 'word', node: 'word', iptables: 'word', ip6tables: 'word' },
  ...{ pid: 'number', startedAt: 'word', state: 'word', generation: 'word' },
  ...{
    networks: 'number',
    endpoints: 'number',
    publishedPorts: 'number',
    limitQueue: 'word',
    longestStallMs: 'number',
  },
  proxy: {
    ...{ pid: 'number', build: 'word', node: 'word' },
    ...{ listeners: 'number', connections: 'number' },
  },
  names: { from: 'word', asOf: 'word', stale: 'boolean' },
  forgotten: [{ kind: 'word', id: 'word', bridge: 'word', forSeconds: 'number' }],
  repairs: { rules: watch, links: watch, settings: watch, zones: watch, ports: watch },
  drift: { count: 'number' },
};

const ports = [['scalar']] as const;

/** The options whose values are numbers, addresses or fixed words; all others are left out. */
const networkOptions = {
  'com.docker.network.bridge.name': 'word',
  'com.docker.network.bridge.enable_icc': 'word',
  'com.docker.network.bridge.enable_ip_masquerade': 'word',
  'com.docker.network.bridge.host_binding_ipv4': 'word',
  'com.docker.network.bridge.gateway_mode_ipv4': 'word',
  'com.docker.network.bridge.gateway_mode_ipv6': 'word',
  'com.docker.network.driver.mtu': 'word',
} as const;

const recordHead = { phase: 'word', sequence: 'number', frontEnd: 'word' } as const;

export const networkRecordsAllowed: AllowList = [
  {
    version: 'number',
    id: 'word',
    value: {
      ...recordHead,
      bridgeMade: 'boolean',
      addressesMade: ['word'],
      ruleSettings: {
        ...{ generation: 'word', userlandProxy: 'boolean', loopbackSpared: 'boolean' },
        ...{ masquerade: 'boolean', allowDirectRouting: 'boolean' },
      },
      input: {
        networkId: 'word',
        options: { 'com.docker.network.generic': networkOptions },
        ipv4Data: [{ pool: 'word', gateway: 'word' }],
        ipv6Data: [{ pool: 'word', gateway: 'word' }],
      },
    },
  },
];

export const endpointRecordsAllowed: AllowList = [
  {
    version: 'number',
    id: 'word',
    value: {
      ...recordHead,
      ...{ networkId: 'word', endpointId: 'word', nameAttempt: 'number', sandboxKey: 'word' },
      ...{ moved: 'boolean', bindings: ports, yielded: ports, opened: ports, exposed: ports },
      input: {
        networkId: 'word',
        endpointId: 'word',
        address: 'word',
        addressIpv6: 'word',
        mac: 'word',
      },
    },
  },
];

export const linksAllowed: AllowList = [
  {
    ...{ ifindex: 'number', ifname: 'word', flags: ['word'], mtu: 'number', operstate: 'word' },
    ...{ master: 'word', link_type: 'word', address: 'word', link_netnsid: 'number' },
    linkinfo: {
      ...{ info_kind: 'word', info_slave_kind: 'word' },
      info_data: { nf_call_iptables: 'scalar', nf_call_ip6tables: 'scalar' },
    },
    addr_info: [
      { family: 'word', local: 'word', prefixlen: 'number', scope: 'word', secondary: 'boolean' },
    ],
  },
];

export const routesAllowed: AllowList = [
  {
    ...{ type: 'word', dst: 'word', from: 'word', tos: 'scalar', gateway: 'word', dev: 'word' },
    ...{ protocol: 'scalar', scope: 'scalar', prefsrc: 'word', metric: 'number', table: 'scalar' },
    ...{ flags: ['word'], nexthops: [{ gateway: 'word', dev: 'word', flags: ['word'] }] },
  },
];

/** `others`: names of conditions that tsbridge does not know, without their values. */
export const routingRulesAllowed: AllowList = [
  {
    ...{ priority: 'number', not: 'word', src: 'word', srclen: 'number', dst: 'word' },
    ...{ dstlen: 'number', iif: 'word', oif: 'word', fwmark: 'scalar', fwmask: 'scalar' },
    ...{ tos: 'scalar', ipproto: 'scalar', sport: 'number', sport_start: 'number' },
    ...{ sport_end: 'number', dport: 'number', dport_start: 'number', dport_end: 'number' },
    ...{ table: 'scalar', action: 'word', goto: 'scalar', suppress_prefixlen: 'number' },
    ...{ protocol: 'scalar', others: ['word'] },
  },
];

/** Settings of the kernel for one interface, or `all`. */
export const linkSettingsAllowed: AllowList = [
  {
    name: 'word',
    ipv4: {
      ...{ rp_filter: 'number', forwarding: 'number', route_localnet: 'number' },
      ...{ accept_local: 'number', send_redirects: 'number', src_valid_mark: 'number' },
    },
    ipv6: { force_forwarding: 'number' },
  },
];

export const ipSetsAllowed: AllowList = [
  {
    ...{ name: 'word', type: 'word', family: 'number', isUnread: 'boolean' },
    entries: [{ entry: 'word', excluded: 'boolean' }],
  },
];

export const inventoryAllowed: AllowList = {
  networks: [
    {
      ...{ id: 'word', bridge: 'word', subnets: ['word'], mtu: 'number', internal: 'boolean' },
      ...{ phase: 'word', test: 'boolean' },
    },
  ],
  endpoints: [
    {
      ...{ id: 'word', network: 'word', ipv4: 'word', ipv6: 'word', mac: 'word', veth: 'word' },
      phase: 'word',
      ports: [
        {
          ...{ protocol: 'word', hostIp: 'word', hostPort: 'number', containerIp: 'word' },
          ...{ containerPort: 'number', path: 'word', by: 'word' },
        },
      ],
    },
  ],
};

export const versionsAllowed: AllowList = {
  ...{ tsbridge: 'word', node: 'word', kernel: 'word', machine: 'word' },
};

/** Of `GET /info` of the engine, what networks depend on. */
export const engineAllowed: AllowList = {
  ...{ ServerVersion: 'word', KernelVersion: 'word', OSType: 'word', Architecture: 'word' },
  ...{ Driver: 'word', CgroupDriver: 'word', CgroupVersion: 'word', LiveRestoreEnabled: 'boolean' },
  ...{ Containers: 'number', ContainersRunning: 'number', NCPU: 'number', MemTotal: 'number' },
  ...{ BridgeNfIptables: 'boolean', BridgeNfIp6tables: 'boolean', IPv4Forwarding: 'boolean' },
  ...{ ExperimentalBuild: 'boolean', DockerRootDir: 'word' },
  Swarm: { LocalNodeState: 'word' },
  Plugins: { Network: ['word'] },
  DefaultAddressPools: [{ Base: 'word', Size: 'number' }],
  FirewallBackend: { Driver: 'word' },
};

/** Of events, texts, names of programs and changes are left out: others choose them. */
export const eventsAllowed: AllowList = [
  {
    ...{ at: 'word', id: 'number', kind: 'word', method: 'word', code: 'word' },
    ...{ network: 'word', endpoint: 'word', durationMs: 'number', what: 'word', count: 'number' },
    ...{ reason: 'word', state: 'word', action: 'word', of: 'word', from: 'number', to: 'number' },
  },
];

export const healthAllowed: AllowList = {
  ...{ ok: 'boolean', checks: [{ name: 'word', ok: 'boolean' }] },
};

/**
 * Labels of metrics are fixed words, except for names, which are there only with --metrics-per-network and -endpoint.
 */
export const metricsAllowed: AllowList = [
  {
    ...{ name: 'word', value: 'number' },
    labels: {
      ...{ method: 'word', code: 'word', lock: 'word', family: 'word', backend: 'word' },
      ...{ result: 'word', what: 'word', program: 'word', kind: 'word', state: 'word' },
      ...{ reason: 'word', phase: 'word', protocol: 'word', path: 'word', by: 'word' },
      ...{ table: 'word', direction: 'word', le: 'word', version: 'word', node: 'word' },
      ...{ generation: 'word', iptables: 'word', ip6tables: 'word' },
      ...{ network: 'name', container: 'name', bridge: 'word', interface: 'word' },
    },
  },
];
