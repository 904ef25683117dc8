/** What the administrator has set for all networks at once. */
import type { IpAddress } from '../core/address.js';

/** Flags of dockerd that the engine does not tell a plugin, as the administrator gave them to this daemon. */
export interface DriverSettings {
  readonly userlandProxy: boolean;
  /** Whether IPv4 rules are written at all. */
  readonly iptables: boolean;
  readonly ip6tables: boolean | 'auto';
  /** Networks that count on br_netfilter are made without it, with a warning. */
  readonly ignoreBrNetfilterError: boolean;
  readonly ipForward: boolean;
  /** Leave the policy of FORWARD alone when forwarding is switched on (28). */
  readonly ipForwardNoDrop: boolean;
  /** Container addresses may be reached from outside without a published port (28.2). */
  readonly allowDirectRouting: boolean;
  /** Default of `com.docker.network.bridge.enable_ip_masquerade`. */
  readonly ipMasq: boolean;
  readonly defaultBindingIp: IpAddress | undefined;
}
