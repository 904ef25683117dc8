/** Identifiers as the front end parses them, for tests that call the driver itself. */
import { parseEndpointId, parseNetworkId } from '../../src/core/names.js';
import type { EndpointIds } from '../../src/driver/network-driver.js';

/** Throws if one of them is none. */
export function endpointIds(network: string, endpoint: string): EndpointIds {
  const networkId = parseNetworkId(network);
  const endpointId = parseEndpointId(endpoint);
  if (networkId === undefined || endpointId === undefined) {
    throw new Error(`no ids: ${network} ${endpoint}`);
  }
  return { networkId, endpointId };
}

/** 64 times the digit: what libnetwork's ids look like, easily told apart. */
export function id(digit: string): string {
  return digit.repeat(64);
}
