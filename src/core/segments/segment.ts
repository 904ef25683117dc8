/**
 * What connects the containers of one network on the host. Each kind is one module with the same
 * functions, as the generations of rules are; `all.ts` says which kind a network has. A segment plans
 * and decides; the use cases and the repair carry its steps out, in the order given here.
 */
import type { Cidr } from '../address.js';
import type { EndpointSpec } from '../network/endpoint.js';
import type { LinkSpec, LinkStep, ObservedLink } from '../network/links.js';
import type { NetworkSpec } from '../network/network.js';
import type { Sysctl } from '../network/sysctls.js';

export interface Segment {
  /** Why a device that exists cannot be the network's, in words for its user; undefined if it can. */
  obstacle(network: NetworkSpec, observed: ObservedLink): string | undefined;
  /** First: the network's device with its MTU, without addresses, down if it is new. */
  planDevice(network: NetworkSpec, observed: ObservedLink | undefined): LinkStep[];
  /** Second: settings below /proc/sys. @param isOurs whether the device was made for the network */
  settings(network: NetworkSpec, isOurs: boolean): Sysctl[];
  /** Third: addresses that are not there yet. Others stay: an administrator may have added them. */
  planAddresses(network: NetworkSpec, observed: ObservedLink | undefined): LinkStep[];
  /** Last, after the rules: the device is set up only when the rules that protect it exist. */
  planUp(network: NetworkSpec, observed: ObservedLink | undefined): LinkStep[];
  /** The addresses that the host has in the network. */
  addresses(network: NetworkSpec): readonly Cidr[];
  /**
   * What CreateEndpoint makes: the engine moves one end of it into the container.
   *
   * @param device the network's own, if the driver does not make it (`isManaged`)
   */
  endpointLink(network: NetworkSpec, endpoint: EndpointSpec, device?: ObservedLink): LinkSpec;
  /**
   * Puts the host's end of an endpoint that is in use back on its bridge. A missing end is not made again:
   * the kernel has deleted its peer inside of the container with it.
   *
   * @param device the network's own; undefined if it is missing
   */
  planEndpoint(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    device: ObservedLink | undefined,
    observed: ObservedLink,
  ): LinkStep[];
}
