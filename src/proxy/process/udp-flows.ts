/**
 * The UDP flows of all published ports. Each has a socket to a container, and so takes a descriptor of
 * the process and one of the host's ephemeral ports, which the host needs for its own DNS. So there is
 * one limit for all of them together. At the limit a new flow takes the place of another: of the one that
 * has been silent longest, among those of the container that has most.
 */

/** A flow ends when no datagram of either side came for so long, as with docker-proxy. */
const defaultIdleMs = 90_000;

export interface Flow {
  /** When a datagram of either side came last (`performance.now`). */
  lastUsed: number;
  /** Closes its socket. The caller has removed the flow from the list already. */
  end(): void;
}

/** The flows of one container: the one that has been silent longest is the first. */
export type FlowsOfOwner = Set<Flow>;

export class UdpFlows {
  /** Those that have flows. */
  readonly #owners = new Set<FlowsOfOwner>();
  #count = 0;

  /** @param limit asked before each new flow */
  constructor(
    private readonly limit: () => number,
    idleMs = defaultIdleMs,
  ) {
    setInterval(() => this.#expire(performance.now() - idleMs), idleMs / 4).unref();
  }

  get count(): number {
    return this.#count;
  }

  /** Before {@link add}: ends as many flows as it takes to stay within the limit with one more. */
  makeRoom(owner: FlowsOfOwner): void {
    for (let limit = this.limit(); this.#count >= limit && this.endOne(owner); );
  }

  /** Ends the flow whose place a new one of `owner` may take; false if there is none. */
  endOne(owner: FlowsOfOwner): boolean {
    // During a flood this needs no search: the container that is flooded has the most flows, and keeps them.
    const fairShare = this.#count / Math.max(1, this.#owners.size);
    const loser = owner.size > 0 && owner.size >= fairShare ? owner : this.#largest();
    const [oldest] = loser ?? [];
    if (loser === undefined || oldest === undefined) return false;
    this.remove(loser, oldest);
    oldest.end();
    return true;
  }

  add(owner: FlowsOfOwner, flow: Flow): void {
    owner.add(flow);
    this.#owners.add(owner);
    this.#count += 1;
  }

  /** A datagram of it has come. */
  use(owner: FlowsOfOwner, flow: Flow): void {
    flow.lastUsed = performance.now();
    // Moved to the end of the set, whose first flow has been silent longest.
    if (owner.delete(flow)) owner.add(flow);
  }

  remove(owner: FlowsOfOwner, flow: Flow): void {
    if (!owner.delete(flow)) return;
    this.#count -= 1;
    if (owner.size === 0) this.#owners.delete(owner);
  }

  #largest(): FlowsOfOwner | undefined {
    let largest: FlowsOfOwner | undefined;
    for (const owner of this.#owners) {
      if (largest === undefined || owner.size > largest.size) largest = owner;
    }
    return largest;
  }

  #expire(before: number): void {
    for (const owner of this.#owners) {
      for (const flow of owner) {
        if (flow.lastUsed >= before) break;
        this.remove(owner, flow);
        flow.end();
      }
    }
  }
}

/**
 * How many of the host's ephemeral ports flows may have: a quarter. The rest is for the connections of
 * the host itself.
 */
export function flowPorts(range: { readonly first: number; readonly last: number }): number {
  return Math.max(1, Math.floor((range.last - range.first + 1) / 4));
}
