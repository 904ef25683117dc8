/** Routes in memory: as the kernel, it refuses what needs a link that is not there, and a second route to a destination. */
import { cidrText } from '../../src/core/address.js';
import { DriverError } from '../../src/core/errors.js';
import {
  type HostRoute,
  type ObservedHostRoute,
  routeText,
} from '../../src/core/network/routes.js';
import type { Routes } from '../../src/driver/host.js';
import type { FakeLinks } from './fake-links.js';
import type { Faults } from './faults.js';

export class FakeRoutes implements Routes {
  /** By destination. */
  readonly #routes = new Map<string, ObservedHostRoute>();
  /** Destinations of routes that others have made. */
  readonly foreign = new Set<string>();

  constructor(
    private readonly links: FakeLinks,
    private readonly faults: Faults,
  ) {}

  async list(): Promise<ObservedHostRoute[]> {
    this.faults.check('routes.list');
    // The routes of a link go with it.
    for (const [destination, { device }] of this.#routes) {
      if (device !== 'eth0' && !this.links.links.has(device as never)) {
        this.#routes.delete(destination);
      }
    }
    return [...this.#routes.values()];
  }

  async add(route: HostRoute): Promise<void> {
    this.faults.check('routes.add');
    const destination = cidrText(route.destination);
    const { device = 'eth0' } = route;
    await this.list();
    if (device !== 'eth0' && !this.links.links.has(device as never)) {
      throw new DriverError('route-failed', `there is no interface ${device}`);
    }
    if (this.links.links.get(device as never)?.up === false) {
      throw new DriverError('route-failed', `adding the route to ${routeText(route)}: is down`);
    }
    if (this.#routes.has(destination) || this.foreign.has(destination)) {
      throw new DriverError('route-exists', `adding the route to ${routeText(route)}: file exists`);
    }
    this.#routes.set(destination, { ...route, device });
  }

  async remove(route: ObservedHostRoute): Promise<void> {
    this.faults.check('routes.remove');
    const destination = cidrText(route.destination);
    const there = this.#routes.get(destination);
    if (there?.via === route.via) this.#routes.delete(destination);
  }

  /** A program of somebody else removes a route. */
  lose(destination: string): void {
    this.#routes.delete(destination);
  }

  dump(): string[] {
    return [...this.#routes.values()].map(routeText).sort();
  }
}
