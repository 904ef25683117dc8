/** Routes inside of containers, as the driver sees them. */
import type { InterfaceName } from '../../core/names.js';
import type {
  ContainerRouteStep,
  ObservedContainerRoute,
} from '../../core/network/container-routes.js';
import type { ContainerRoute } from '../../core/network/network.js';

/** Routes with our protocol number in the main table of a sandbox. Other routes are neither read nor changed. */
export interface SandboxRoutes {
  /** Why this daemon cannot enter sandboxes, and what to do about it; undefined: it can. */
  obstacle(): string | undefined;
  /**
   * The routes with our protocol number.
   *
   * @param sandbox path of the network namespace, as the engine gives it
   * @param host the host's end of the veth pair whose other end is in the sandbox
   * @returns undefined as long as that end is not there, or not up
   */
  observe(
    sandbox: string,
    host: InterfaceName,
  ): Promise<readonly ObservedContainerRoute[] | undefined>;
  /**
   * Does nothing if the veth's end is not in the sandbox, or not up.
   *
   * @throws {DriverError} `route-exists` if there is another route to the destination with that metric; else
   *   `route-failed`
   */
  apply(sandbox: string, host: InterfaceName, steps: readonly ContainerRouteStep[]): Promise<void>;
  /**
   * Removes routes that need no interface (`blackhole` and its like), whether the veth's end is in the sandbox or not.
   * Does nothing if there is no such sandbox.
   */
  removeRefusals(sandbox: string, routes: readonly ContainerRoute[]): Promise<void>;
}
