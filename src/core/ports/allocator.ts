/** Which host ports are given out, and to whom. */
import { familyOf, type IpAddress, isUnspecified } from '../address.js';
import { DriverError } from '../errors.js';
import type { EphemeralPorts, PortRange } from './ephemeral.js';
import { hostAndPort, type Port, type PortBinding, type Protocol } from './port.js';
import { bindingsOf, type PortGroup } from './requests.js';

/** Whose a host port is, as the error says it to a later caller that asks for the same port. */
export interface PortOwner {
  /** `endpoint 0123456789ab on br-app` */
  readonly name: string;
  /** What frees the port: `stop that container`. */
  readonly wayOut: string;
}

interface Holder {
  readonly hostIp: IpAddress;
  readonly owner: PortOwner;
}

/**
 * Which host ports are given out. An unspecified address needs the port free on every address of
 * its family, a specific one on itself and on the unspecified one (as Docker does from 28.3 on).
 */
export class PortAllocator {
  /** `tcp 8080` → address → who has it. */
  readonly #taken = new Map<string, Map<IpAddress, PortOwner>>();
  /** Address, protocol and range → the port given out last: a search goes on from there. */
  readonly #last = new Map<string, number>();
  #released: (bindings: readonly PortBinding[]) => void = () => {};

  constructor(
    /** The caller sets it before each choice, since the host's settings can change. */
    public ephemeral: EphemeralPorts,
  ) {}

  /**
   * Takes one host port for all addresses of the group. Throws `port-allocated` in Docker's words if there
   * is none. `owner` is named in the error of a later caller that asks for the same port.
   */
  take(group: PortGroup, owner: PortOwner): PortBinding[] {
    const { protocol, hostPorts } = group.request;
    const range = hostPorts ?? this.ephemeral;
    const size = range.last - range.first + 1;
    // A single port needs no search, which would cost too much for 60,000 of them.
    const searched = size === 1 ? [] : group.addresses;
    const keys = searched.map(({ hostIp }) => `${hostIp} ${protocol} ${range.first}-${range.last}`);
    const start = this.#last.get(keys[0] ?? '');
    for (let step = 1; step <= size; step += 1) {
      const port = hostPorts ? portAbove(range, start, step) : portBelow(range, start, step);
      if (hostPorts === undefined && this.ephemeral.isReserved(port)) continue;
      if (group.addresses.some(({ hostIp }) => this.#holder(protocol, hostIp, port))) continue;
      for (const key of keys) this.#last.set(key, port);
      const bindings = bindingsOf(group, port);
      this.add(bindings, owner);
      return bindings;
    }
    throw this.#conflict(group, range);
  }

  /** Marks bindings as taken without a check: those of records. */
  add(bindings: readonly PortBinding[], owner: PortOwner): void {
    for (const { protocol, hostPort, hostIp } of bindings) {
      const key = `${protocol} ${hostPort}`;
      const holders = this.#taken.get(key) ?? new Map<IpAddress, PortOwner>();
      this.#taken.set(key, holders.set(hostIp, owner));
    }
  }

  /** Is called whenever ports have been released: who waits for one tries again then. */
  onRelease(listener: (released: readonly PortBinding[]) => void): void {
    this.#released = listener;
  }

  release(bindings: readonly PortBinding[]): void {
    for (const { protocol, hostPort, hostIp } of bindings) {
      const key = `${protocol} ${hostPort}`;
      const holders = this.#taken.get(key);
      holders?.delete(hostIp);
      if (holders?.size === 0) this.#taken.delete(key);
    }
    if (bindings.length > 0) this.#released(bindings);
  }

  /** The owner of the port there, and on which address. */
  #holder(protocol: Protocol, hostIp: IpAddress, port: Port): Holder | undefined {
    const holders = this.#taken.get(`${protocol} ${port}`);
    if (holders === undefined) return undefined;
    const family = familyOf(hostIp);
    for (const [other, owner] of holders) {
      if (familyOf(other) !== family) continue;
      if (other === hostIp || isUnspecified(other) || isUnspecified(hostIp)) {
        return { hostIp: other, owner };
      }
    }
    return undefined;
  }

  #conflict(group: PortGroup, range: PortRange): DriverError {
    const { protocol } = group.request;
    if (range.first !== range.last) {
      return new DriverError(
        'port-allocated',
        `all ports are allocated: no ${protocol} port of ${range.first}-${range.last} is free for ` +
          `container port ${group.request.containerPort}; publish a wider range, or stop a container`,
      );
    }
    const held = group.addresses
      .map(({ hostIp }) => this.#holder(protocol, hostIp, range.first))
      .find((holder) => holder !== undefined);
    const where = held === undefined ? range.first : hostAndPort(held.hostIp, range.first);
    return new DriverError(
      'port-allocated',
      `Bind for ${where} failed: port is already allocated (${protocol}, by ${held?.owner.name}); ` +
        `publish another host port, or ${held?.owner.wayOut}`,
    );
  }
}

/**
 * The n-th of the range after `last`, around its end; from the first one on if there is no last.
 */
function portAbove({ first, last }: PortRange, given: number | undefined, step: number): Port {
  const size = last - first + 1;
  return (first + (((given ?? last) - first + step) % size)) as Port;
}

/**
 * The n-th of the range before `last`, around its beginning. From the top down: dockerd counts up
 * from the first one for networks of its own driver, and up to Docker 26 fails the container whose
 * port it finds taken.
 */
function portBelow({ first, last }: PortRange, given: number | undefined, step: number): Port {
  const size = last - first + 1;
  return (last - ((last - (given ?? first) + step) % size)) as Port;
}
