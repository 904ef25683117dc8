/**
 * What a front end hands to the core: its shape has been checked by the protocol's schemas, its
 * strings have not been parsed yet.
 */

/** One address pool of a network, as Docker's IPAM hands it out. */
export interface IpamPool {
  readonly addressSpace?: string;
  /** `10.5.0.0/24` */
  readonly pool?: string;
  /** `10.5.0.1/24` */
  readonly gateway?: string;
  /** Name → `10.5.0.9/24` */
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

export interface NetworkInput {
  readonly networkId: string;
  /** Docker's well-known keys; the `-o` labels are a map under `com.docker.network.generic`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly ipv4Data: readonly IpamPool[];
  readonly ipv6Data: readonly IpamPool[];
}

export interface EndpointInput {
  readonly networkId: string;
  readonly endpointId: string;
  /** `10.5.0.2/24`, or empty. */
  readonly address: string;
  /** `fd00:5::2/64`, or empty. */
  readonly addressIpv6: string;
  /** `02:42:0a:05:00:02`, or empty. */
  readonly mac: string;
  readonly options: Readonly<Record<string, unknown>>;
}
