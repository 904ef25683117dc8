/** Published ports: what is asked for, and what was given. */
import type { Brand, IpAddress } from '../address.js';

export const protocols = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof protocols)[number];

/** IANA numbers, as Docker's JSON has them. */
export const protocolNumber: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** 1 to 65535. */
export type Port = Brand<number, 'Port'>;

export function parsePort(value: number): Port | undefined {
  return Number.isInteger(value) && value >= 1 && value <= 65535 ? (value as Port) : undefined;
}

export function protocolFromNumber(value: number): Protocol | undefined {
  return protocols.find((protocol) => protocolNumber[protocol] === value);
}

/** A port, or all from the first to the last. */
export type PortMatch = Port | { readonly first: Port; readonly last: Port };

/** One container port of `-p` or `-P`, before a host port is chosen. */
export interface PortRequest {
  readonly protocol: Protocol;
  readonly containerPort: Port;
  /** undefined: the network's binding address, else every address of the host. */
  readonly hostIp: IpAddress | undefined;
  /** Inclusive; undefined: any port of the host's ephemeral range. */
  readonly hostPorts: { readonly first: Port; readonly last: Port } | undefined;
}

/** A port that the container offers, published or not. */
export interface ExposedPort {
  readonly protocol: Protocol;
  readonly port: Port;
}

/** A container's port that others than its network may reach; in mode `routed` it has no host port. */
export interface OpenPort {
  readonly protocol: Protocol;
  readonly containerIp: IpAddress;
  readonly containerPort: Port;
}

/** A host port that leads to a container: one socket, and one set of rules. */
export interface PortBinding extends OpenPort {
  readonly hostIp: IpAddress;
  readonly hostPort: Port;
}

/** `0.0.0.0:8080/tcp`: the key under which no two bindings may stand. */
export function bindingKey(binding: PortBinding): string {
  return `${hostAndPort(binding.hostIp, binding.hostPort)}/${binding.protocol}`;
}

/** `192.0.2.1:80`, `[2001:db8::1]:80`. */
export function hostAndPort(ip: IpAddress, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
