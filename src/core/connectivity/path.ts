/** One connection of a connectivity test: who asks whom, and what should become of it. Addresses come later. */
import type { Family } from '../address.js';

/**
 * Who takes part. `first` and `second` are containers of the tested network, `second` has the published port; `other`
 * is a container of another network; `outside` a host beyond this one; `host` this host itself.
 */
export const asking = ['first', 'second', 'other', 'outside', 'host'] as const;
export type Asking = (typeof asking)[number];

/** What is asked for. */
export type Target =
  /** A port of `second` by its own address: one that is published, or one that is not. */
  | { readonly at: 'container'; readonly port: 'published' | 'unpublished' }
  /**
   * The host port that leads to `second`: at the host's address on the link to the outside host (`uplink`), at its
   * loopback address, or at the address that the network publishes on (`binding`).
   */
  | { readonly at: 'host-port'; readonly by: 'uplink' | 'loopback' | 'binding' }
  /** A server of the outside host. */
  | { readonly at: 'outside' }
  /** The network's address on the bridge, by ping. */
  | { readonly at: 'gateway' };

/** `packet`: a datagram as large as the MTU allows, which must not be fragmented. */
export type Probe = 'tcp' | 'udp' | 'ping' | 'packet';

/**
 * Whom the server has to see: the address of who asked (`itself`), the host's on the way out (`uplink`), one that the
 * network's options name (`option`), the network's gateway (`gateway`), or any (`any`).
 */
export type Seen = 'itself' | 'uplink' | 'option' | 'gateway' | 'any';

export interface PathTest {
  /** Words with dashes that stay the same from version to version, such as `outside-to-published-port`. */
  readonly name: string;
  readonly family: Family;
  readonly probe: Probe;
  readonly from: Asking;
  readonly to: Target;
  /**
   * The probe asks `second`, which is then replaced by a container with another address, and asks again from the same
   * port.
   */
  readonly replaced?: true;
  readonly expected: { readonly answer: true; readonly seen: Seen } | { readonly answer: false };
  /** Why it is expected, as a clause: the option or the rule of Docker from which it follows. */
  readonly because: string;
}

/** Settings of the host that decide, beside the network's options, which connections work. */
export interface HostSettings {
  /** Programs of the host can use IPv6. */
  readonly ipv6: boolean;
  /** The policy of FORWARD drops. */
  readonly forwardDrops: Readonly<Record<Family, boolean>>;
  /** br_netfilter hands frames within a bridge to iptables. */
  readonly bridgeFiltered: Readonly<Record<Family, boolean>>;
}

const fromWords: Readonly<Record<Asking, string>> = {
  first: 'container',
  second: 'container itself',
  other: "another network's container",
  outside: 'outside',
  host: 'host',
};

/** `outside → published port, tcp, IPv4` */
export function describePath({ from, to, probe, family, replaced }: PathTest): string {
  const how = probe === 'packet' ? 'udp of full size' : probe;
  const after = replaced === true ? ' of a container that was replaced' : '';
  return `${fromWords[from]} → ${targetWords(to)}${after}, ${how}, IPv${family}`;
}

function targetWords(target: Target): string {
  switch (target.at) {
    case 'container':
      return target.port === 'published'
        ? "container's own address, published port"
        : "container's own address, port not published";
    case 'host-port':
      if (target.by === 'loopback') return 'published port at the loopback address';
      return target.by === 'uplink' ? 'published port' : 'published port at its own host address';
    case 'outside':
      return 'outside';
    case 'gateway':
      return 'gateway';
  }
}
