/** Requests as engines send them, with only what a test is about to be said. */

import type { NetworkSpec } from '../../src/core/network/network.js';
import type { EndpointInput, IpamPool, NetworkInput } from '../../src/core/options/input.js';
import { parseNetwork } from '../../src/core/options/network-options.js';

export const networkId = 'a941c14b8f93'.padEnd(64, '0');
export const endpointId = '875199fe3bac'.padEnd(64, '0');

/** A `-o` label of Docker's bridge driver. */
export const bridgeLabel = (name: string) => `com.docker.network.bridge.${name}`;

interface NetworkParts {
  readonly id?: string;
  /** `-o` labels. */
  readonly labels?: Readonly<Record<string, unknown>>;
  /** Well-known options, beside the labels. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly ipv4?: readonly IpamPool[];
  /** Also switches IPv6 on. */
  readonly ipv6?: readonly IpamPool[];
}

export function networkInput(parts: NetworkParts = {}): NetworkInput {
  return {
    networkId: parts.id ?? networkId,
    options: {
      'com.docker.network.enable_ipv6': parts.ipv6 !== undefined,
      'com.docker.network.generic': parts.labels ?? {},
      ...parts.options,
    },
    ipv4Data: parts.ipv4 ?? [{ pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
    ipv6Data: parts.ipv6 ?? [],
  };
}

export function networkSpec(parts: NetworkParts = {}): NetworkSpec {
  return parseNetwork(networkInput(parts)).spec;
}

export function endpointInput(parts: Partial<EndpointInput> = {}): EndpointInput {
  return {
    networkId,
    endpointId,
    address: '10.5.0.2/24',
    addressIpv6: '',
    mac: '',
    options: {},
    ...parts,
  };
}

/** The message of what `work` throws; fails the caller's test if it throws nothing. */
export function messageFrom(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('nothing was thrown');
}
