/** Routes inside of containers in memory: as the kernel, it refuses a second route to a destination with one metric. */
import { DriverError } from '../../src/core/errors.js';
import type { InterfaceName } from '../../src/core/names.js';
import {
  type ContainerRouteStep,
  containerRouteText,
  describeContainerRouteStep,
  type ObservedContainerRoute,
} from '../../src/core/network/container-routes.js';
import type { ContainerRoute } from '../../src/core/network/network.js';
import type { SandboxRoutes } from '../../src/driver/host/sandbox-routes.js';
import type { Faults } from './faults.js';

/** One destination with one metric. */
const placeOf = (route: ContainerRoute): string =>
  containerRouteText({
    destination: route.destination,
    ...(route.metric === undefined ? {} : { metric: route.metric }),
  });

export class FakeSandboxRoutes implements SandboxRoutes {
  /** By sandbox, then by {@link placeOf}; a sandbox that is not in it has not got its interface. */
  readonly sandboxes = new Map<string, Map<string, ObservedContainerRoute>>();
  forbidden: string | undefined;

  constructor(private readonly faults: Faults) {}

  obstacle(): string | undefined {
    return this.forbidden;
  }

  async observe(sandbox: string): Promise<readonly ObservedContainerRoute[] | undefined> {
    this.faults.check('sandboxRoutes.observe');
    const routes = this.sandboxes.get(sandbox);
    return routes && [...routes.values()];
  }

  async apply(
    sandbox: string,
    host: InterfaceName,
    steps: readonly ContainerRouteStep[],
  ): Promise<void> {
    const routes = this.sandboxes.get(sandbox);
    for (const step of steps) {
      this.faults.check('sandboxRoutes.apply');
      const place = placeOf(step.route);
      if (step.kind === 'remove') routes?.delete(place);
      else if (routes?.has(place)) {
        const what = describeContainerRouteStep(host, step);
        throw new DriverError('route-exists', `${what}: file exists`);
      } else routes?.set(place, { ...step.route, isOwnLink: true });
    }
  }

  /** The engine has moved the interface into the sandbox, and brought it up. */
  up(sandbox: string): void {
    this.sandboxes.set(sandbox, this.sandboxes.get(sandbox) ?? new Map());
  }

  dump(sandbox: string): string[] {
    return [...(this.sandboxes.get(sandbox)?.values() ?? [])].map(containerRouteText).sort();
  }
}
