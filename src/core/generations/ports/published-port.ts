/**
 * The rules of one published port, or of a run of them, in the words of all generations
 * (docs/docker-bridge.md 3.4).
 */
import { type Family, familyOf, hostCidr, isLoopback, isUnspecified } from '../../address.js';
import type { InterfaceName } from '../../names.js';
import type { OpenRun, PublishedRun } from '../../ports/runs.js';
import {
  type Matches,
  type Place,
  type PlacedRule,
  place,
  type Translation,
} from '../../rules/rule.js';
import type { FirewallSettings } from '../generation.js';
import { loopbackNetwork } from './nat.js';

/** undefined if host and container address are of different families, which only the proxy can join. */
export function translatedFamily({
  hostIp,
  containerIp,
}: Pick<PublishedRun, 'hostIp' | 'containerIp'>): Family | undefined {
  const family = familyOf(hostIp);
  return family === familyOf(containerIp) ? family : undefined;
}

/** Leads what is addressed to the host's port to the container's. */
export function destinationTranslation(
  bridge: InterfaceName,
  binding: PublishedRun,
  settings: FirewallSettings,
  more: Matches = {},
): PlacedRule[] {
  const { hostIp, hostPort, protocol } = binding;
  const { userlandProxy, loopbackSpared = userlandProxy } = settings;
  const family = familyOf(hostIp);
  const any = isUnspecified(hostIp);
  const toPort: Matches = { ...more, protocol, destinationPort: hostPort };
  const to = (chain: 'DOCKER' | 'OUTPUT', matches: Matches): PlacedRule =>
    place('end', family, 'nat', chain, matches, { dnat: translation(binding) });
  const destination = any ? {} : { destination: hostCidr(hostIp) };
  const published: Matches = {
    ...toPort,
    ...destination,
    // With the proxy on, containers of the network reach the port through the proxy.
    ...(userlandProxy ? { inInterface: { not: bridge } } : {}),
  };
  // Connections to ::1 are never translated: the proxy carries them.
  const looped = family === 4 && (any || isLoopback(hostIp));
  if (!looped || userlandProxy === loopbackSpared) return [to('DOCKER', published)];
  const loopback = { ...toPort, destination: loopbackNetwork(4), ...destination };
  if (!userlandProxy) return [to('DOCKER', published), to('OUTPUT', loopback)];
  return any ? [to('DOCKER', { ...published, destination: { not: loopbackNetwork(4) } })] : [];
}

function translation({ containerIp: address, hostPort, containerPort }: PublishedRun): Translation {
  if (typeof hostPort === 'number' || typeof containerPort === 'number') {
    return { address, port: containerPort };
  }
  // A run that keeps its numbers: the kernel then never takes another one (see runs.ts).
  if (hostPort.first === containerPort.first) return { address };
  return { address, port: containerPort, base: hostPort.first };
}

/** Accepts traffic to the container's port from outside of its network. */
export function openPort(bridge: InterfaceName, binding: OpenRun, where: Place): PlacedRule {
  const matches: Matches = {
    protocol: binding.protocol,
    destination: hostCidr(binding.containerIp),
    destinationPort: binding.containerPort,
    inInterface: { not: bridge },
    outInterface: bridge,
  };
  return place(where, familyOf(binding.containerIp), 'filter', 'DOCKER', matches, 'ACCEPT');
}

/** Gives a container that connects to itself by the host's address another source than its own address. */
export function selfTranslation(binding: PublishedRun): PlacedRule {
  const container = hostCidr(binding.containerIp);
  const toItself: Matches = {
    protocol: binding.protocol,
    source: container,
    destination: container,
    destinationPort: binding.containerPort,
  };
  return place('end', container.family, 'nat', 'POSTROUTING', toItself, 'MASQUERADE');
}

/** Answers over SCTP get a checksum (18.03 to 27): some network cards of that time gave none. */
export function sctpChecksum({ containerIp, containerPort, protocol }: OpenRun): PlacedRule[] {
  if (protocol !== 'sctp') return [];
  const answers: Matches = { protocol, sourcePort: containerPort };
  return [place('end', familyOf(containerIp), 'mangle', 'POSTROUTING', answers, 'CHECKSUM')];
}
