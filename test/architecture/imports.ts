/** Which part of src/ may import which other; docs/adr/0001-layers.md has the reasons. */

/** What the composition root puts together. */
const parts = [
  'frontends',
  'operator',
  'admin',
  'driver',
  'proxy',
  'host',
  'config',
  'core',
  'log',
];

/** What most of the driver needs. */
const told = ['driver/telemetry', 'driver/host', 'core'];

/**
 * Part → parts that it may import. A part is a file or a folder below `src/`, named by its path; a name
 * in a list stands for all that is below it. The longest name that fits a file says what it may import,
 * and the file may always import the folder (of one name here) in which it lies.
 */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  main: ['no-debugger', 'daemon', 'cli'],
  daemon: [...parts, 'unix-socket', 'unused-memory', 'build-id'],
  cli: [
    ...['version', 'platform', 'daemon', 'codec', 'unix-socket', 'probe-program', 'probe'],
    ...parts,
  ],
  'probe-program': [],
  probe: ['no-debugger', 'core'],
  config: ['core'],
  version: [],
  platform: [],
  yielding: [],
  'lazy-validation': [],
  background: ['core/errors', 'driver/host'],
  linux: [],
  'no-debugger': [],
  'build-id': [],
  'unix-socket': ['core'],
  // Of the daemon and of the proxy process.
  'unused-memory': ['codec'],
  log: ['core', 'driver/host'],
  'frontends/libnetwork': [
    ...['driver/leases', 'driver/network-driver', 'driver/front-end'],
    ...['lazy-validation', 'unix-socket', ...told],
  ],
  operator: ['driver', 'core', 'yielding'],
  'operator/picture': [],
  'operator/page': ['operator/picture'],
  admin: [
    ...['operator', 'driver/network-driver', 'driver/state'],
    ...['lazy-validation', 'yielding', ...told],
  ],

  // driver/, from the top to the bottom.
  'driver/driver': ['driver', 'core'],
  'driver/leases': [
    ...['driver/network-driver', 'driver/front-end', 'driver/state/leased', 'driver/clock'],
    ...['driver/host', 'core'],
  ],
  'driver/recover': ['driver', 'core', 'yielding'],
  'driver/repair': [
    ...['driver/orphans', 'driver/usecases', 'driver/state', 'driver/world'],
    ...['driver/clock', 'driver/telemetry', 'driver/host', 'core'],
  ],
  'driver/publications': [
    ...['driver/usecases', 'driver/state', 'driver/world'],
    ...['driver/clock', 'driver/host', 'core'],
  ],
  'driver/orphans': [
    'driver/engine',
    'driver/usecases',
    'driver/state',
    'driver/world',
    'driver/clock',
    ...told,
  ],
  'driver/usecases': ['driver/state', 'driver/world', 'driver/front-end', ...told],
  'driver/world': [
    'driver/firewall',
    'driver/state',
    'driver/front-end',
    'driver/settings',
    ...told,
  ],
  'driver/rules': ['driver/firewall', 'driver/state', 'yielding', ...told],
  'driver/firewall': ['driver/state', 'driver/host', 'core'],
  'driver/state': ['driver/host', 'core'],
  'driver/engine': ['driver/host', 'core'],
  'driver/network-driver': ['driver/front-end', 'driver/host', 'core'],
  'driver/front-end': ['driver/settings', 'core'],
  'driver/settings': ['core'],
  'driver/host': ['core'],
  'driver/telemetry': ['core'],
  'driver/clock': [],

  'host/monitor': ['host/iptables', 'host/netlink', 'codec', 'core', 'driver/host'],
  'host/firewalld': ['host/process', 'core', 'driver/host'],
  'host/docker': ['host/process', 'codec', 'yielding', 'core', 'driver/host', 'driver/engine'],
  'host/engine-process': [],
  'host/sandbox': ['driver/host'],
  'host/sysctl': ['core', 'driver/host'],
  // Rules that iptables-restore has added are deleted by the same socket that writes rules to nf_tables.
  'host/iptables': [
    ...['host/nf-tables/nft-socket', 'host/netlink', 'host/process'],
    ...['codec', 'yielding', 'core', 'driver/host'],
  ],
  'host/nf-tables': ['host', 'codec', 'core', 'yielding', 'driver/host'],
  'host/requirements': ['host/process'],
  'host/netlink': ['host/process', 'codec', 'core', 'driver/host'],
  // For commands that look at the host themselves; the daemon has no use for it.
  'host/look': ['host/netlink', 'host/process', 'host/records', 'codec', 'core', 'driver/host'],
  // As host/look; its table is written to nf_tables by the same socket as rules of the daemon's.
  'host/trace': [
    ...['host/look', 'host/nf-tables', 'host/netlink', 'host/process'],
    ...['codec', 'core', 'driver/host'],
  ],
  'host/records': ['host/process', 'core', 'yielding', 'driver/host'],
  'host/process': ['linux', 'core/errno', 'driver/host'],

  'proxy/main': ['proxy/process', 'no-debugger'],
  // The daemon and the proxy process share the messages and the folder, and nothing else.
  'proxy/supervision': ['proxy/control', 'proxy/control-folder', 'core', 'driver/host'],
  'proxy/process': [
    ...['proxy/control', 'proxy/control-folder', 'core', 'driver/host', 'build-id'],
    'unused-memory',
  ],
  'proxy/process/system': ['core', 'linux'],
  'proxy/control': ['core', 'driver/host'],
  'proxy/control-folder': [],
  codec: ['core'],

  // core/, from the top to the bottom.
  'core/options': ['core'],
  'core/publications': ['core/ports', 'core/address', 'core/names', 'core/problems'],
  'core/generations': [
    'core/rules',
    'core/ports',
    'core/network',
    ...['core/address', 'core/names', 'core/errors', 'core/errno'],
  ],
  'core/port-map': ['core'],
  'core/rules': ['core/ports', 'core/address', 'core/names'],
  'core/ports': ['core/network', 'core/address', 'core/errors'],
  'core/segments': ['core/network', 'core/address', 'core/names', 'core/errors'],
  'core/network': ['core/address', 'core/names', 'core/errors'],
  'core/trace': ['core/explain', 'core/address'],
  'core/explain': ['core/address', 'core/shell-words'],
  'core/connectivity': ['core/generations', 'core/network', 'core/address'],
  'core/routing': ['core/options/list-values', 'core/address', 'core/names'],
  'core/doctor': [
    ...['core/explain', 'core/network', 'core/ports', 'core/port-map', 'core/routing'],
    ...['core/rules/chains/own-chains', 'core/address', 'core/shell-words'],
  ],
  'core/shell-words': [],
  'core/engine-file': [],
  'core/engine-lists': ['core/names', 'core/plain-text', 'core/address'],
  'core/plain-text': ['core/address'],
  'core/problems': ['core/errors'],
  'core/record-fields': ['core/errors'],
  'core/names': ['core/address'],
  'core/address': [],
  'core/errors': ['core/errno'],
  'core/errno': [],
  'core/nearest': [],
};
