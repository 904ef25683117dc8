/** Reads the options and pools of CreateNetwork as a {@link NetworkSpec}. */
import type { Family, IpAddress } from '../address.js';
import type { GenerationName } from '../generations/generation.js';
import {
  defaultBridgeName,
  type InterfacePrefix,
  type NetworkId,
  parseNetworkId,
} from '../names.js';
import { gatewayClash, gatewaysOfAll } from '../network/container-routes.js';
import type { GivenLimits } from '../network/limits.js';
import type { Families, NetworkSpec } from '../network/network.js';
import type { Passage } from '../network/passage.js';
import { Problems, show, showId } from '../problems.js';
import { attached, refuseAttach } from './attach-options.js';
import type { NetworkInput } from './input.js';
import { labels, type NetworkLabels, readLabels, unknownLabels } from './network-labels.js';
import { readPools } from './network-pools.js';
import { isOptionMap, type OptionMap, OptionReader, optionOf, wellKnown } from './option-reader.js';
import { refuseAcceptFrom } from './own/accept-from-options.js';
import { readContainerRoutes, refuseGatewayClash } from './own/container-route-options.js';
import { refuseHostRoutes } from './own/host-route-options.js';
import { readLimits, refuseLimits } from './own/limit-options.js';
import { readPassage, refusePassage } from './own/passage-options.js';
import { lanFamilies, refuseUnfit } from './own/unmanaged-options.js';
import { refuseNewerOptions } from './since.js';

/** Settings of the daemon that count for a network without the option. */
export interface NetworkDefaults {
  readonly defaultBindingIp?: IpAddress | undefined;
  readonly ipMasq?: boolean | undefined;
  readonly ipForward?: boolean | undefined;
  readonly ipForwardNoDrop?: boolean | undefined;
  readonly userlandProxy?: boolean | undefined;
  readonly iptables?: boolean | undefined;
  readonly ip6tables?: boolean | 'auto' | undefined;
  readonly allowDirectRouting?: boolean | undefined;
}

export interface ParsedNetwork {
  readonly spec: NetworkSpec;
  /** Options that were accepted and are likely a mistake, a sentence each for the log. */
  readonly warnings: readonly string[];
}

/** The families for which IPAM need not reserve a gateway. */
export interface SkippedGateways {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** The kernel's bounds of a bridge's and a veth's MTU; less than 1280 switches IPv6 off. */
const mtuBounds = { min: 68, minIpv6: 1280, max: 65535 };

/**
 * Makes the checks of docs/docker-bridge.md 4.1, in Docker's order and words.
 *
 * @param generation of the host's engine: options that it lacks are problems. Without it, for
 *   networks that exist already, all options are accepted
 * @throws DriverError `options-invalid` with every problem: option, value, why, what is accepted
 */
export function parseNetwork(
  input: NetworkInput,
  defaults: NetworkDefaults = {},
  generation?: GenerationName,
): ParsedNetwork {
  const problems = new Problems();
  const network = readNetwork(input, defaults, generation, problems);
  const doing = `creating network ${showId(input.networkId)}`;
  return problems.resolve(network, 'options-invalid', doing);
}

/**
 * Answer to GwAllocCheck (28, docs/docker-bridge.md 6.1 and 7.4).
 *
 * @param options those that CreateNetwork will bring
 * @throws DriverError `options-invalid` with every problem in the options
 */
export function parseSkippedGateways(options: OptionMap): SkippedGateways {
  const problems = new Problems();
  const skipped = readSkippedGateways(options, problems);
  return problems.resolve(skipped, 'options-invalid', 'creating a network');
}

/** undefined only if there are problems. */
function readNetwork(
  input: NetworkInput,
  defaults: NetworkDefaults,
  generation: GenerationName | undefined,
  problems: Problems,
): ParsedNetwork | undefined {
  const id = parseNetworkId(input.networkId);
  if (id === undefined) {
    problems.add(`${show(input.networkId)} is not a network id: 64 hexadecimal digits`);
  }
  const read = readOptions(input.options, problems);
  if (generation !== undefined) refuseNewerOptions(read.generic, read.ipv4, generation, problems);
  // Here and not in `readOptions`: at GwAllocCheck there is no network yet that the error could name.
  if (!read.ipv4 && !read.ipv6) problems.add('IPv4 or IPv6 must be enabled');
  const families = readFamilies(input, read, problems);
  const mtu = readMtu(read.labels.mtu, families.ipv6 !== undefined, problems);
  const ruleFamilies = readRuleFamilies(read.labels, defaults, problems);
  if (read.limits !== undefined) refuseLimits(read.limits, {}, mtu, problems);
  refuseHostRoutes({ ...read, families }, problems);
  if (read.passage !== undefined) {
    const { internal, labels: given } = read;
    const context = { internal, unmanaged: given.unmanaged, ...families, ruleFamilies };
    refusePassage(read.passage, context, problems);
  }
  const scope = { ...families, internal: read.internal };
  const routes = readContainerRoutes(read.generic, scope, problems);
  const { acceptFrom, unmanaged } = read.labels;
  const segment = unmanaged ? 'unmanaged' : 'bridge';
  refuseAcceptFrom(
    acceptFrom,
    { ...families, internal: read.internal, segment, ruleFamilies },
    problems,
  );
  if (id === undefined) return undefined;
  const asked = { ...buildSpec(id, read, families, mtu, defaults), ...routes, ruleFamilies };
  const spec = unmanaged ? onUnmanaged(asked, read.labels) : attached(asked, read.labels);
  refuseGatewayClash(gatewayClash(gatewaysOfAll(spec)), problems);
  return { spec, warnings: [...read.warnings, ...warningsOf(spec)] };
}

/** An isolated network has no gateway; nor has an internal one whose bridge gets no address. */
function readSkippedGateways(options: OptionMap, problems: Problems): SkippedGateways {
  const { labels: given, internal } = readOptions(options, problems);
  return {
    ipv4: given.gatewayMode4 === 'isolated' || (internal && given.inhibitIpv4 === true),
    ipv6: given.gatewayMode6 === 'isolated',
  };
}

interface ReadOptions {
  readonly generic: OptionMap;
  readonly labels: NetworkLabels;
  readonly limits: GivenLimits | undefined;
  readonly passage: Passage | undefined;
  readonly warnings: readonly string[];
  readonly internal: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

function readOptions(options: OptionMap, problems: Problems): ReadOptions {
  const generic = optionOf(options, wellKnown.generic) ?? {};
  if (!isOptionMap(generic)) {
    problems.add(`unrecognized network configuration format: ${wellKnown.generic} is not a map`);
  }
  const map = isOptionMap(generic) ? generic : {};
  const warnings = unknownLabels(map, problems);
  const given = readLabels(map, problems);
  const limits = readLimits(map, problems);
  const passage = readPassage(map, 'network', problems);
  const engine = new OptionReader(options, problems);
  const internal = engine.boolean(wellKnown.internal) ?? false;
  refuseUnfit(given, internal, problems);
  refuseAttach(given, internal, problems);
  const modes = [given.gatewayMode4, given.gatewayMode6];
  if (modes.includes('isolated') && !internal) {
    problems.add(
      "gateway mode 'isolated' can only be used for an internal network: add --internal, or use " +
        'nat, nat-unprotected or routed',
    );
  }
  // Engines before 28 do not send enable_ipv4; the well-known option wins over the label.
  const ipv4 = engine.boolean(wellKnown.enableIpv4) ?? given.enableIpv4 ?? true;
  const ipv6 = engine.boolean(wellKnown.enableIpv6) ?? given.enableIpv6 ?? false;
  return { generic: map, labels: given, limits, passage, warnings, internal, ipv4, ipv6 };
}

function readFamilies(input: NetworkInput, read: ReadOptions, problems: Problems): Families {
  const { internal } = read;
  const { hostIpv4, hostIpv6, gatewayMode4, gatewayMode6 } = read.labels;
  const ipv4 = {
    family: 4 as const,
    internal,
    hostAddress: hostIpv4,
    gatewayMode: gatewayMode4 ?? 'nat',
  };
  const ipv6 = {
    family: 6 as const,
    internal,
    hostAddress: hostIpv6,
    gatewayMode: gatewayMode6 ?? 'nat',
  };
  if (read.labels.unmanaged) return lanFamilies(input, read, [ipv4, ipv6], problems);
  return {
    ipv4: read.ipv4 ? readPools(input.ipv4Data, ipv4, problems) : undefined,
    ipv6: read.ipv6 ? readPools(input.ipv6Data, ipv6, problems) : undefined,
  };
}

/** 0 is Docker's "not set". */
function readMtu(mtu: number | undefined, ipv6: boolean, problems: Problems): number | undefined {
  if (mtu === undefined || mtu === 0) return undefined;
  const min = ipv6 ? mtuBounds.minIpv6 : mtuBounds.min;
  if (mtu >= min && mtu <= mtuBounds.max) return mtu;
  const family = ipv6 ? 'IPv6 needs' : 'use';
  problems.add(
    `invalid MTU number: ${mtu} (${labels.mtu}: ${family} ${min} to ${mtuBounds.max}, ` +
      "or 0 for the kernel's 1500)",
  );
  return undefined;
}

/** A network can switch the rules of a family off, but not on if the daemon's setting is off. */
function readRuleFamilies(
  given: NetworkLabels,
  defaults: NetworkDefaults,
  problems: Problems,
): Family[] {
  const families: Family[] = [];
  for (const [family, label, wanted, daemon] of [
    [4, labels.iptables, given.iptables, defaults.iptables],
    [6, labels.ip6tables, given.ip6tables, defaults.ip6tables],
  ] as const) {
    if (wanted === true && daemon === false) {
      const flag = family === 4 ? '--iptables' : '--ip6tables';
      problems.add(
        `${label}=true needs a daemon that writes rules: it was started with ${flag}=false`,
      );
    } else if (wanted !== false) families.push(family);
  }
  return families;
}

function buildSpec(
  id: NetworkId,
  read: ReadOptions,
  families: Families,
  mtu: number | undefined,
  defaults: NetworkDefaults,
): Omit<NetworkSpec, 'ruleFamilies'> {
  const given = read.labels;
  return {
    id,
    segment: 'bridge',
    bridge: given.bridge ?? defaultBridgeName(id),
    ...families,
    internal: read.internal,
    icc: given.icc ?? true,
    masquerade: given.masquerade ?? defaults.ipMasq ?? true,
    inhibitIpv4: given.inhibitIpv4 ?? false,
    hostBinding: given.hostBinding ?? defaults.defaultBindingIp,
    mtu,
    containerPrefix: given.containerPrefix ?? ('eth' as InterfacePrefix),
    trustedHostInterfaces: given.trustedHostInterfaces,
    allowDirectRouting: given.allowDirectRouting ?? defaults.allowDirectRouting ?? false,
    ipForward: given.ipForward ?? defaults.ipForward ?? true,
    userlandProxy: given.userlandProxy ?? defaults.userlandProxy ?? true,
    ipForwardNoDrop: given.ipForwardNoDrop ?? defaults.ipForwardNoDrop ?? false,
    portRules: given.portRules ?? 'docker',
    ...(given.portIsolation === true ? { portIsolation: true } : {}),
    ...(read.limits === undefined ? {} : { limits: read.limits }),
    ...(given.remoteRoutes === undefined ? {} : { remoteRoutes: given.remoteRoutes }),
    ...(given.acceptFrom === undefined ? {} : { acceptFrom: given.acceptFrom }),
    ...(given.announce === undefined ? {} : { announce: given.announce }),
    ...(given.ndpProxy === undefined ? {} : { ndpProxy: given.ndpProxy }),
    ...(given.advertised ? {} : { advertised: false }),
    ...(read.passage === undefined ? {} : { passage: read.passage }),
  };
}

/**
 * Only ports are added to an unmanaged bridge: no setting of the host's changes for it, and daemon-wide defaults that
 * are about Docker's rules do not count.
 */
function onUnmanaged(spec: NetworkSpec, { lanFirewall }: NetworkLabels): NetworkSpec {
  return {
    ...spec,
    segment: 'unmanaged',
    lanFirewall: lanFirewall ?? 'lan',
    masquerade: false,
    allowDirectRouting: true,
    ipForward: false,
    // A bridge sends no frame back by the port that it came from unless it is told to (hairpin).
    userlandProxy: true,
  };
}

/** Warnings of options that are valid by themselves, and have no effect in combination. */
function warningsOf(spec: NetworkSpec): string[] {
  const warnings: string[] = [];
  for (const [family, label] of [
    [spec.ipv4, labels.hostIpv4],
    [spec.ipv6, labels.hostIpv6],
  ] as const) {
    if (family?.hostAddress === undefined) continue;
    if (spec.internal) warnings.push(`${label} has no effect: the network is internal`);
    else if (!spec.masquerade) warnings.push(`${label} has no effect: masquerading is off`);
  }
  if (spec.passage?.noMasqueradeTo !== undefined && !spec.masquerade) {
    warnings.push(`${labels.noMasqueradeTo} has no effect: masquerading is off`);
  }
  return warnings;
}
