/**
 * Every setting of the daemon, once: parsing, `tsbridge daemon --help` and the table in
 * docs/options.md all come from here. Settings that Docker's daemon has too go by Docker's names
 * and have Docker's defaults, because the engine never tells a plugin its own
 * (docs/docker-bridge.md 6.4).
 */
import type { IpAddress } from '../core/address.js';
import type { GenerationName } from '../core/generations/generation.js';
import { generationNames } from '../core/generations/generation.js';
import type { FwMark } from '../core/rules/fw-mark.js';
import type { ListenPlace, UnitTemplate, ValueKind } from './values.js';
import {
  boolean,
  booleanOrAuto,
  file,
  folder,
  fwMark,
  ipAddress,
  listenPlace,
  oneOf,
  seconds,
  secondsOrOff,
  socketFolder,
  socketPath,
  socketPathOrNone,
  unitTemplate,
} from './values.js';

export const logLevels = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof logLevels)[number];

/** {@link fields} says what each of them means. */
export interface Config {
  readonly socket: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly sysctlDir: string;
  readonly proxyUnit: UnitTemplate | 'none';
  readonly userlandProxy: boolean;
  readonly iptables: boolean;
  readonly ip6tables: boolean | 'auto';
  readonly ipForward: boolean;
  readonly ipForwardNoDrop: boolean;
  readonly ipMasq: boolean;
  readonly defaultBindingIp: IpAddress | undefined;
  readonly allowDirectRouting: boolean;
  readonly bridgeAcceptFwmark: FwMark | undefined;
  readonly ignoreBrNetfilterError: boolean;
  readonly firewallGeneration: GenerationName | 'auto';
  readonly ruleBackend: RuleBackendName;
  readonly logLevel: LogLevel;
  readonly callTimeoutMs: number;
  readonly metricsListen: ListenPlace | undefined;
  readonly metricsPerNetwork: boolean;
  readonly metricsPerEndpoint: boolean;
  /** `none`, or the path of the engine's own socket. */
  readonly dockerSocket: string;
  readonly gcAfterMs: number | 'off';
  readonly configFile: string;
}

export const ruleBackends = ['auto', 'restore'] as const;
export type RuleBackendName = (typeof ruleBackends)[number];

export type FieldName = keyof Config;

export interface Field<T> {
  /** Name of the flag without dashes. The environment variable and the key in the file follow from it. */
  readonly flag: string;
  readonly kind: ValueKind<T>;
  readonly fallback: T;
  /** How help and documentation show the default, where its own text would not do. */
  readonly fallbackText?: string;
  /** A phrase for the help: what the setting is, or what happens when it is true. */
  readonly help: string;
  /** false: the setting is taken from flags and environment only. */
  readonly inFile?: false;
}

export const fields: { readonly [Name in FieldName]: Field<Config[Name]> } = {
  socket: {
    flag: 'socket',
    kind: socketPath,
    fallback: '/run/docker/plugins/tsbridge.sock',
    help: 'where the engine finds the driver, under the name of the file',
  },
  stateDir: {
    flag: 'state-dir',
    kind: folder,
    fallback: '/var/lib/tsbridge',
    help: 'records of networks and endpoints; must outlive a reboot',
  },
  runtimeDir: {
    flag: 'runtime-dir',
    kind: socketFolder,
    fallback: '/run/tsbridge',
    help: 'sockets between our own processes; must outlive a restart of the daemon',
  },
  sysctlDir: {
    flag: 'sysctl-dir',
    kind: folder,
    fallback: '/proc/sys',
    help: "the kernel's settings; another folder in a container that cannot write to that one",
  },
  proxyUnit: {
    flag: 'proxy-unit',
    kind: unitTemplate,
    fallback: 'none',
    help: 'systemd unit of the process that holds ports, for the default --runtime-dir; none: a child of the daemon',
  },
  userlandProxy: {
    flag: 'userland-proxy',
    kind: boolean,
    fallback: true,
    help: 'carry what rules cannot: 127.0.0.1, a container to host ports, IPv6 to IPv4',
  },
  iptables: {
    flag: 'iptables',
    kind: boolean,
    fallback: true,
    help: 'write IPv4 rules; without, nothing is masqueraded or isolated',
  },
  ip6tables: {
    flag: 'ip6tables',
    kind: booleanOrAuto,
    fallback: 'auto',
    help: "write IPv6 rules; auto does what the host's engine does",
  },
  ipForward: {
    flag: 'ip-forward',
    kind: boolean,
    fallback: true,
    help: 'switch on forwarding in the kernel if it is off',
  },
  ipForwardNoDrop: {
    flag: 'ip-forward-no-drop',
    kind: boolean,
    fallback: false,
    help: 'keep the FORWARD policy also when we switched forwarding on',
  },
  ipMasq: {
    flag: 'ip-masq',
    kind: boolean,
    fallback: true,
    help: 'masquerade what leaves the host, unless the network says otherwise',
  },
  defaultBindingIp: {
    flag: 'default-binding-ip',
    kind: ipAddress,
    fallback: undefined,
    fallbackText: 'all addresses',
    help: 'host address of published ports that name none, unless the network does',
  },
  allowDirectRouting: {
    flag: 'allow-direct-routing',
    kind: boolean,
    fallback: false,
    help: 'from Docker 28 on: let other hosts reach container addresses',
  },
  bridgeAcceptFwmark: {
    flag: 'bridge-accept-fwmark',
    kind: fwMark,
    fallback: undefined,
    fallbackText: 'no mark',
    help: 'from Docker 29 on: packets with this mark may pass into every network',
  },
  ignoreBrNetfilterError: {
    flag: 'ignore-br-netfilter-error',
    kind: boolean,
    fallback: false,
    help: 'warn, where a network needs br_netfilter and the kernel has none, in place of an error',
  },
  firewallGeneration: {
    flag: 'firewall-generation',
    kind: oneOf(['auto', ...generationNames]),
    fallback: 'auto',
    help: 'rules of which Docker: 17.03, 17.06 to 27, 28, 29; auto looks at the chains',
  },
  ruleBackend: {
    flag: 'rule-backend',
    kind: oneOf(ruleBackends),
    fallback: 'auto',
    help: 'auto writes rules to nf_tables itself where it can; restore always by iptables-restore',
  },
  logLevel: {
    flag: 'log-level',
    kind: oneOf(logLevels),
    fallback: 'info',
    help: 'least severity that is logged',
  },
  callTimeoutMs: {
    flag: 'call-timeout',
    kind: seconds(1, 600),
    fallback: 30_000,
    help: 'when a call of the engine is answered with an error',
  },
  metricsListen: {
    flag: 'metrics-listen',
    kind: listenPlace,
    fallback: undefined,
    fallbackText: 'nowhere',
    help: 'serve GET /metrics over HTTP there, to everybody who can connect',
  },
  metricsPerNetwork: {
    flag: 'metrics-per-network',
    kind: boolean,
    fallback: false,
    help: 'metrics have series for each network, by name; for the first 200',
  },
  metricsPerEndpoint: {
    flag: 'metrics-per-endpoint',
    kind: boolean,
    fallback: false,
    help: 'metrics have up to eight series for each endpoint, by the names of container and network; for the first 1,000',
  },
  dockerSocket: {
    flag: 'docker-socket',
    kind: socketPathOrNone,
    fallback: '/run/docker.sock',
    help: "the engine's own socket, only read: names, and what it has forgotten; none: never asked",
  },
  gcAfterMs: {
    flag: 'gc',
    kind: secondsOrOff(60, 999_999),
    fallback: 3_600_000,
    help: 'when a network or endpoint is removed that the engine has forgotten, as proven by its lists',
  },
  configFile: {
    flag: 'config',
    kind: file,
    fallback: '/etc/tsbridge/config.json',
    help: 'settings as one JSON object; the default may be absent',
    inFile: false,
  },
};

export const fieldNames = Object.keys(fields) as readonly FieldName[];

export const environmentPrefix = 'TSBRIDGE_';

/** The environment variable of a setting: `TSBRIDGE_STATE_DIR`. */
export function environmentName(name: FieldName): string {
  return environmentPrefix + fields[name].flag.toUpperCase().replaceAll('-', '_');
}

/**
 * The key of a setting in the file, which is its flag, as in Docker's daemon.json; undefined: it is not taken from
 * the file.
 */
export function fileKey(name: FieldName): string | undefined {
  return fields[name].inFile === false ? undefined : fields[name].flag;
}

/** The default of a setting, as one would type it. */
export function fallbackText(name: FieldName): string {
  const show = <T>(field: Field<T>) => field.fallbackText ?? field.kind.show(field.fallback);
  return show(fields[name] as Field<unknown>);
}
