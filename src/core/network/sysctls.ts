/** Desired values below /proc/sys, and how much it matters if one cannot be written. */
import type { Brand, Family } from '../address.js';
import type { InterfaceName } from '../names.js';
import type { NetworkSpec } from './network.js';

/** Relative to /proc/sys, made of fixed words and interface names only. */
export type SysctlPath = Brand<string, 'SysctlPath'>;

export interface Sysctl {
  readonly path: SysctlPath;
  readonly value: '0' | '1';
  /** A kernel without the file is no error. */
  readonly optional: boolean;
}

const interfaceSysctl = (family: Family, name: InterfaceName, key: string): SysctlPath =>
  `net/ipv${family}/conf/${name}/${key}` as SysctlPath;

export const ipForward = 'net/ipv4/ip_forward' as SysctlPath;
export const ipv6ForwardDefault = 'net/ipv6/conf/default/forwarding' as SysctlPath;
export const ipv6ForwardAll = 'net/ipv6/conf/all/forwarding' as SysctlPath;
export const ephemeralPorts = 'net/ipv4/ip_local_port_range' as SysctlPath;
/** Ports that the kernel gives to no program as an ephemeral port: only a program that names one gets it. */
export const reservedPorts = 'net/ipv4/ip_local_reserved_ports' as SysctlPath;
/** Absent if the kernel has no IPv6; 1 if the administrator has switched it off. */
export const loopbackIpv6Off = 'net/ipv6/conf/lo/disable_ipv6' as SysctlPath;
/** Whether the host forwards between this bridge and other interfaces. */
export function forwardingOf(family: Family, bridge: InterfaceName): SysctlPath {
  return family === 4 ? ipForward : interfaceSysctl(6, bridge, 'forwarding');
}

export const bridgeNfCall: Readonly<Record<Family, SysctlPath>> = {
  4: 'net/bridge/bridge-nf-call-iptables' as SysctlPath,
  6: 'net/bridge/bridge-nf-call-ip6tables' as SysctlPath,
};

/**
 * What Docker sets on a network's bridge (docs/docker-bridge.md 4.5): IPv6 on or off as the network
 * has it; 127.0.0.0/8 routable over it without the proxy. A bridge that was made for the network accepts no
 * router advertisements; on a bridge of the user's the host may get its own addresses by them.
 */
export function bridgeSysctls(network: NetworkSpec, isOurs: boolean): Sysctl[] {
  const { bridge, ipv6, userlandProxy } = network;
  const sysctls: Sysctl[] = [];
  if (isOurs) {
    sysctls.push({ path: interfaceSysctl(6, bridge, 'accept_ra'), value: '0', optional: true });
  }
  if (ipv6 !== undefined) {
    const value = ipv6.gatewayMode === 'isolated' ? '1' : '0';
    sysctls.push({ path: interfaceSysctl(6, bridge, 'disable_ipv6'), value, optional: false });
  }
  if (!userlandProxy && network.ipv4 !== undefined) {
    const path = interfaceSysctl(4, bridge, 'route_localnet');
    sysctls.push({ path, value: '1', optional: false });
  }
  return sysctls;
}
