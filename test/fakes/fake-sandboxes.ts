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
  /** What is left in sandboxes whose interface is gone: routes that need none. */
  readonly left = new Map<string, Map<string, ObservedContainerRoute>>();
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

  async removeRefusals(sandbox: string, gone: readonly ContainerRoute[]): Promise<void> {
    for (const route of gone) {
      this.faults.check('sandboxRoutes.removeRefusals');
      const place = placeOf(route);
      const all = [this.sandboxes, this.left].map((sandboxes) => sandboxes.get(sandbox));
      for (const routes of all) {
        if (routes?.get(place)?.refusal === route.refusal) routes?.delete(place);
      }
    }
  }

  /** The engine takes the interface out of the sandbox: its routes go with it, and those that need no interface stay. */
  down(sandbox: string): void {
    const routes = this.sandboxes.get(sandbox) ?? new Map<string, ObservedContainerRoute>();
    this.sandboxes.delete(sandbox);
    const staying = [...routes].filter(([, { refusal }]) => refusal !== undefined);
    this.left.set(sandbox, new Map(staying));
  }

  /** The engine has moved the interface into the sandbox, and brought it up. */
  up(sandbox: string): void {
    this.sandboxes.set(sandbox, this.sandboxes.get(sandbox) ?? this.left.get(sandbox) ?? new Map());
    this.left.delete(sandbox);
  }

  dump(sandbox: string): string[] {
    const routes = this.sandboxes.get(sandbox) ?? this.left.get(sandbox);
    return [...(routes?.values() ?? [])].map(containerRouteText).sort();
  }
}
