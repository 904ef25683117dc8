/** What both kinds of segments share: each endpoint has a veth pair, whose host's end is a port of the bridge. */
import type { EndpointSpec } from '../network/endpoint.js';
import type { LinkChange, LinkStep, ObservedLink, VethLink } from '../network/links.js';
import type { NetworkSpec } from '../network/network.js';

/** Why an interface that exists cannot be a network's bridge. */
export function noBridge({ bridge }: NetworkSpec, { kind }: ObservedLink): string | undefined {
  return kind === 'bridge' ? undefined : `existing interface ${bridge} is not a bridge`;
}

export function vethLink(network: NetworkSpec, endpoint: EndpointSpec): VethLink {
  const { veth, portIsolation = network.portIsolation === true } = endpoint;
  return {
    kind: 'veth',
    names: veth,
    bridge: network.bridge,
    mtu: network.mtu,
    hairpin: !network.userlandProxy,
    ...(portIsolation ? { isolated: true } : {}),
  };
}

/** Makes the host's end a port of the bridge again, with the options that it should have. */
export function planPort(
  network: NetworkSpec,
  endpoint: EndpointSpec,
  device: ObservedLink | undefined,
  observed: ObservedLink,
): LinkStep[] {
  const wanted = vethLink(network, endpoint);
  const offBridge = device === undefined || observed.master !== device.index;
  const change: LinkChange = {
    ...(offBridge ? { master: wanted.bridge } : {}),
    ...(wanted.hairpin && (offBridge || observed.hairpin !== true) ? { hairpin: true } : {}),
    ...(wanted.isolated && (offBridge || observed.isolated !== true) ? { isolated: true } : {}),
    ...(observed.up ? {} : { up: true }),
  };
  if (Object.keys(change).length === 0) return [];
  return [{ kind: 'change-link', link: wanted.names.host, change }];
}
