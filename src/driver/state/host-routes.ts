/**
 * Changes the host's routes with our protocol number: calls and repairs one after the other. Each looks at what is
 * desired only when its turn has come, so that a repair adds nothing that a call has removed, and removes nothing that
 * a call has added.
 */
import { sameCidr } from '../../core/address.js';
import { DriverError, ErrorList, wrapError } from '../../core/errors.js';
import {
  canBeOne,
  describeRouteStep,
  type HostRoute,
  isAsWanted,
  type ObservedHostRoute,
  planRoutes,
  routesOfEndpoint,
  routesOfNetwork,
  routeText,
} from '../../core/network/routes.js';
import type { Routes } from '../host.js';
import { KeyedLocks } from './locks.js';
import type { EndpointState, NetworkState, Registry } from './registry.js';

interface Desired {
  /** Routes that should be there now. */
  readonly routes: readonly HostRoute[];
  /** Routes that a call is about to add: a repair neither adds nor removes them. */
  readonly making: readonly HostRoute[];
}

export class HostRoutes {
  readonly #turns = new KeyedLocks<'routes'>();
  /** Whether the host may have routes with our number; undefined: nobody has looked yet. */
  #mayHave: boolean | undefined;

  constructor(
    private readonly routes: Routes,
    private readonly registry: Registry,
  ) {}

  addOfNetwork({ spec }: NetworkState): Promise<void> {
    return this.#add(routesOfNetwork(spec));
  }

  addOfEndpoint({ spec, network }: EndpointState): Promise<void> {
    return this.#add(routesOfEndpoint(spec, network.spec));
  }

  /** Removes the routes of a network that is not desired any more, except those that others ask for. */
  removeOfNetwork({ spec }: NetworkState): Promise<void> {
    return this.#remove(routesOfNetwork(spec));
  }

  /** Removes the routes of an endpoint that is not desired any more, except those that others ask for. */
  removeOfEndpoint({ spec, network }: EndpointState): Promise<void> {
    return this.#remove(routesOfEndpoint(spec, network.spec));
  }

  /**
   * Adds what is missing, and removes what nobody asks for; goes on past failures.
   *
   * @param look `if-likely`: the host is not read if nobody asks for a route and the last look has found none of ours
   * @returns what was done, or with `dryRun` would be: `add the route to 10.9.0.0/24 via 192.0.2.7`
   */
  repair(dryRun: boolean, look: 'always' | 'if-likely' = 'always'): Promise<string[]> {
    const isLikely = this.#mayHave !== false || this.#desired().routes.length > 0;
    if (look === 'if-likely' && !isLikely) return Promise.resolve([]);
    return this.#turns.exclusive('routes', async () => {
      const observed = await this.routes.list();
      const { routes, making } = this.#desired();
      this.#mayHave = observed.length > 0 || making.length > 0;
      const done: string[] = [];
      const errors = new ErrorList();
      for (const step of planRoutes(routes, observed, making)) {
        // A network whose record cannot be read may ask for the route: while there is one, none is removed.
        if (step.kind === 'remove-route' && this.registry.unreadable.all().length > 0) continue;
        await errors.attempt(async () => {
          if (!dryRun) {
            if (step.kind === 'add-route') await this.routes.add(step.route);
            else await this.routes.remove(step.route);
          }
          done.push(describeRouteStep(step));
        });
      }
      if (errors.failed) {
        throw wrapError('repairing routes', new Error(errors.message), 'route-failed');
      }
      return done;
    });
  }

  async #add(wanted: readonly HostRoute[]): Promise<void> {
    if (wanted.length === 0) return;
    this.#mayHave = true;
    await this.#turns.exclusive('routes', async () => {
      for (const route of wanted) await this.#addOne(route);
    });
  }

  async #addOne(route: HostRoute): Promise<void> {
    try {
      await this.routes.add(route);
    } catch (error) {
      if (!(error instanceof DriverError) || error.code !== 'route-exists') throw error;
      const there = (await this.routes.list()).filter((other) =>
        sameCidr(route.destination, other.destination),
      );
      if (there.some((other) => isAsWanted(route, other))) return;
      // The route may be one that a daemon left when it died, and another network or endpoint may ask for it, too.
      const { routes, making } = this.#desired();
      const isAsked = (other: ObservedHostRoute) =>
        [...routes, ...making].some((each) => isAsWanted(each, other));
      const [holder] = there.filter(isAsked);
      if (holder !== undefined) {
        throw new DriverError(
          'route-exists',
          `adding the route to ${routeText(route)}: another network or container has the route to ` +
            `${routeText(holder)}; take it away there, or leave this one out`,
        );
      }
      if (there.length === 0) throw error;
      for (const other of there) await this.routes.remove(other);
      await this.routes.add(route);
    }
  }

  async #remove(routes: readonly HostRoute[]): Promise<void> {
    if (routes.length === 0) return;
    await this.#turns.exclusive('routes', async () => {
      const desired = this.#desired();
      const errors = new ErrorList();
      for (const route of routes) {
        const still = [...desired.routes, ...desired.making];
        if (still.some((other) => canBeOne(route, other))) continue;
        await errors.attempt(() => this.routes.remove({ ...route, device: route.device }));
      }
      if (errors.failed) throw new DriverError('route-failed', errors.message);
    });
  }

  #desired(): Desired {
    const routes: HostRoute[] = [];
    const making: HostRoute[] = [];
    for (const { spec, record, endpoints } of this.registry.networks()) {
      if (record.phase === 'removing') continue;
      (record.phase === 'ready' ? routes : making).push(...routesOfNetwork(spec));
      for (const endpoint of endpoints.values()) {
        if (endpoint.record.phase !== 'ready') continue;
        routes.push(...routesOfEndpoint(endpoint.spec, spec));
      }
    }
    return { routes, making };
  }
}
