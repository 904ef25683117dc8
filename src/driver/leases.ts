/**
 * Leases: networks that a command asks for, by the calls that an engine would make, and that go when the command does.
 * A lease ends when its holder says so, when the holder's connection ends, when no sign of life came for a time, and
 * with the daemon. Nothing of it is on record but the front end of its networks: a start holds no lease, so that it
 * removes them (`recover.ts`). See docs/adr/0021-leases.md.
 */
import { randomBytes } from 'node:crypto';
import { background } from '../background.js';
import { DriverError, ErrorList, messageOf } from '../core/errors.js';
import { type EndpointId, type NetworkId, shortId } from '../core/names.js';
import type { PublishRequest } from '../core/options/port-options.js';
import { type Clock, systemClock } from './clock.js';
import type { AskedEndpoint, AskedNetwork, FrontEnd } from './front-end.js';
import type { Log } from './host.js';
import type { EndpointIds, EndpointInfo, JoinResult, NetworkDriver } from './network-driver.js';
import { leasedFrontEnd } from './state/leased.js';

/** Milliseconds without a sign of life of its holder after which a lease ends. */
export const leaseMs = 60_000;
/** Leases at the same time, and networks and endpoints of one: more than a test needs. */
const mostLeases = 4;
const mostNetworks = 4;
const mostEndpoints = 16;
/** How often a removal that fails is tried again, and milliseconds before each attempt. */
const removalAttempts = 5;
const betweenAttemptsMs = 2_000;
/** Milliseconds from one of the later attempts to the next. They go on until everything is gone or the daemon stops. */
const laterMs = 30_000;

/** The front end by which calls under a lease are parsed; its name is recorded with the networks. */
export function leasedAs(frontEnd: FrontEnd): FrontEnd {
  const words = { removeNetwork: 'tsbridge connectivity-test', listNetworks: 'tsbridge ps' };
  return { ...frontEnd, name: leasedFrontEnd, words };
}

export interface LeaseParts {
  readonly driver: NetworkDriver;
  readonly log: Log;
  /** Resolves when links whose removal has begun are gone. */
  readonly removed: () => Promise<void>;
  /**
   * Whether a network under a lease is still there and being removed: making it failed, and not all of it could be
   * undone.
   */
  readonly isLeft: (network: NetworkId) => boolean;
  readonly clock?: Clock;
}

export class Leases {
  readonly #open = new Map<string, Lease>();
  /** Leases that have ended, and whose networks could not be removed yet. */
  readonly #left = new Set<Lease>();
  #closed = false;

  constructor(private readonly parts: LeaseParts) {}

  /** @throws {DriverError} `network-busy` if there are as many as there may be */
  begin(): Lease {
    if (this.#closed || this.#open.size >= mostLeases) {
      const why = this.#closed ? 'the daemon stops' : `${mostLeases} tests run already`;
      throw new DriverError('network-busy', `no test can begin: ${why}; wait until one has ended`);
    }
    const lease = new Lease(this.parts, (left) => {
      this.#open.delete(lease.id);
      if (left) this.#left.add(lease);
      else this.#left.delete(lease);
    });
    this.#open.set(lease.id, lease);
    return lease;
  }

  /** @throws {DriverError} `network-unknown`: it has ended */
  find(id: string): Lease {
    const lease = this.#open.get(id);
    if (lease !== undefined) return lease;
    throw new DriverError(
      'network-unknown',
      'the test has no lease any more: it was silent for too long, or the daemon was started again. Start it anew',
    );
  }

  /** Ends all of them; none begins afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open.values()].map((lease) => lease.end('the daemon stops')));
    await Promise.all([...this.#left].map((lease) => lease.abandon()));
  }
}

/** The calls of an engine, as far as they concern what was made under this lease. */
export class Lease implements NetworkDriver {
  readonly id = randomBytes(16).toString('hex');
  readonly #networks = new Set<NetworkId>();
  readonly #endpoints = new Map<EndpointId, NetworkId>();
  readonly #calls = new Set<Promise<unknown>>();
  readonly #clock: Clock;
  /** Networks that are just being made. */
  #making = 0;
  #timer: unknown;
  #ending: Promise<string | undefined> | undefined;
  #later: Promise<void> | undefined;

  constructor(
    private readonly parts: LeaseParts,
    /**
     * Called when the lease ends, and once more when everything is gone.
     *
     * @param left whether something could not be removed
     */
    private readonly over: (left: boolean) => void,
  ) {
    this.#clock = parts.clock ?? systemClock;
    this.renew();
  }

  /** A sign of life of the holder: the lease goes on for {@link leaseMs} from now. */
  renew(): void {
    if (this.#ending !== undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => {
      const why = `no sign of life for ${leaseMs / 1_000} s`;
      background(this.parts.log, 'removing the networks of a test', this.end(why));
    }, leaseMs);
  }

  has(network: NetworkId): boolean {
    return this.#networks.has(network);
  }

  /**
   * Removes everything; resolves when it is gone, or when that was given up, which is logged.
   *
   * @returns what could not be removed; undefined: nothing is left
   */
  end(why: string): Promise<string | undefined> {
    this.#ending ??= this.#end(why);
    return this.#ending;
  }

  async #end(why: string): Promise<string | undefined> {
    this.#clock.clearTimeout(this.#timer);
    const { log } = this.parts;
    log.info({ lease: this.id.slice(0, 12), networks: this.#networks.size, why }, 'a test ends');
    await Promise.allSettled(this.#calls);
    for (let attempt = 1; ; attempt += 1) {
      const error = await this.#removeAll();
      if (error === undefined) {
        this.over(false);
        return undefined;
      }
      log.warn({ lease: this.id.slice(0, 12), attempt, error }, 'removing a test failed');
      if (attempt === removalAttempts) {
        // The network stays on record with the front end of leases, so that the next start removes it at the latest.
        this.over(true);
        this.#tryLater();
        return error;
      }
      await new Promise<void>((resolve) => {
        this.#clock.setTimeout(resolve, betweenAttemptsMs);
      });
    }
  }

  #tryLater(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#later = this.#removeLater();
      background(this.parts.log, 'removing what is left of a test', this.#later);
    }, laterMs);
  }

  async #removeLater(): Promise<void> {
    const error = await this.#removeAll();
    if (error !== undefined) return this.#tryLater();
    this.parts.log.info({ lease: this.id.slice(0, 12) }, 'what was left of a test is gone');
    this.over(false);
  }

  /** Makes no further attempt: what is left stays until the next start of the daemon. */
  async abandon(): Promise<void> {
    // A removal that is running may schedule the next one, so the timer is stopped after it.
    await this.#later;
    this.#clock.clearTimeout(this.#timer);
  }

  async #removeAll(): Promise<string | undefined> {
    const { driver, removed } = this.parts;
    const errors = new ErrorList();
    for (const [endpointId, networkId] of this.#endpoints) {
      const ids = { networkId, endpointId };
      await errors.attempt(() => driver.revokePorts(ids));
      await errors.attempt(() => driver.leave(ids));
      await errors.attempt(() => driver.deleteEndpoint(ids));
    }
    for (const network of this.#networks) await errors.attempt(() => driver.deleteNetwork(network));
    await errors.attempt(removed);
    return errors.failed ? errors.message : undefined;
  }

  engineStarted(): void {
    // No engine has.
  }

  createNetwork(asked: AskedNetwork): Promise<void> {
    return this.#during(async () => {
      const { networkId } = asked;
      const isNew = !this.#networks.has(networkId);
      if (isNew && this.#networks.size + this.#making >= mostNetworks) {
        throw tooMany(`${mostNetworks} networks`);
      }
      this.#making += 1;
      try {
        await this.parts.driver.createNetwork({ ...asked, frontEnd: leasedFrontEnd });
        // Not before: an engine's network can have the same id, and nothing under this lease may change that.
        this.#networks.add(networkId);
      } catch (error) {
        if (this.parts.isLeft(networkId)) this.#networks.add(networkId);
        throw error;
      } finally {
        this.#making -= 1;
      }
    });
  }

  deleteNetwork(networkId: NetworkId): Promise<void> {
    return this.#on({ networkId }, (driver) => driver.deleteNetwork(networkId));
  }

  createEndpoint(asked: AskedEndpoint): ReturnType<NetworkDriver['createEndpoint']> {
    return this.#on(asked, (driver) => {
      if (this.#endpoints.size >= mostEndpoints) throw tooMany(`${mostEndpoints} endpoints`);
      this.#endpoints.set(asked.endpointId, asked.networkId);
      return driver.createEndpoint({ ...asked, frontEnd: leasedFrontEnd });
    });
  }

  async deleteEndpoint(ids: EndpointIds): Promise<void> {
    await this.#on(ids, (driver) => driver.deleteEndpoint(ids));
    this.#endpoints.delete(ids.endpointId);
  }

  endpointInfo(ids: EndpointIds): Promise<EndpointInfo> {
    return this.#on(ids, (driver) => driver.endpointInfo(ids));
  }

  join(
    ids: EndpointIds,
    sandboxKey: string,
    _caller?: unknown,
    readPorts?: () => PublishRequest,
  ): Promise<JoinResult> {
    return this.#on(ids, (driver) => driver.join(ids, sandboxKey, undefined, readPorts));
  }

  leave(ids: EndpointIds): Promise<void> {
    return this.#on(ids, (driver) => driver.leave(ids));
  }

  publishPorts(ids: EndpointIds, request: PublishRequest): Promise<void> {
    return this.#on(ids, (driver) => driver.publishPorts(ids, request));
  }

  revokePorts(ids: EndpointIds): Promise<void> {
    return this.#on(ids, (driver) => driver.revokePorts(ids));
  }

  #on<T>(
    { networkId }: { readonly networkId: NetworkId },
    work: (driver: NetworkDriver) => Promise<T>,
  ): Promise<T> {
    return this.#during(() => {
      if (this.#networks.has(networkId)) return work(this.parts.driver);
      const text = `network ${shortId(networkId)} is not of this test`;
      throw new DriverError('network-unknown', text);
    });
  }

  /** The end of the lease waits for calls that have begun, and no other begins after it. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#ending !== undefined) {
      throw new DriverError('network-busy', 'the test has ended: its networks are being removed');
    }
    this.renew();
    const call = (async () => work())();
    const settled = call.then(
      () => undefined,
      (error: unknown) => messageOf(error),
    );
    this.#calls.add(settled);
    try {
      return await call;
    } finally {
      this.#calls.delete(settled);
    }
  }
}

function tooMany(what: string): DriverError {
  return new DriverError('bad-request', `a test may make ${what}`);
}
