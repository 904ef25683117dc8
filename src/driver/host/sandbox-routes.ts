/** Routes inside of containers, as the driver sees them. */
import type { InterfaceName } from '../../core/names.js';
import type {
  ContainerRouteStep,
  ObservedContainerRoute,
} from '../../core/network/container-routes.js';

/** Routes of the main table of a sandbox. Those of others are neither read nor changed. */
export interface SandboxRoutes {
  /** Why this daemon cannot enter sandboxes, and what to do; undefined: nothing speaks against it. */
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
  /** @throws {DriverError} `route-exists` if there is another route to the destination with that metric; else `route-failed` */
  apply(sandbox: string, host: InterfaceName, steps: readonly ContainerRouteStep[]): Promise<void>;
}
