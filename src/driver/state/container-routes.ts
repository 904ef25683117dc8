/**
 * Adds the routes inside of containers that an engine cannot add. They need the interface, so the driver adds them
 * after the engine has moved it into the container. In each sandbox, one change is made at a time.
 */
import { setTimeout } from 'node:timers/promises';
import { background } from '../../background.js';
import { DriverError, ErrorList, wrapError } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import {
  containerRouteText,
  describeContainerRouteStep,
  gatewaysOfAll,
  planContainerRoutes,
  routesByDriver,
  survivesLink,
} from '../../core/network/container-routes.js';
import type { ContainerRoute, NetworkSpec } from '../../core/network/network.js';
import type { SandboxRoutes } from '../host/sandbox-routes.js';
import type { Log } from '../host.js';
import { KeyedLocks } from './locks.js';
import type { EndpointState, Registry } from './registry.js';

/** How long (5 s) the driver waits, after its answer to Join, for the engine to bring the interface up. */
const patience = { attempts: 500, pauseMs: 10 } as const;

export class ContainerRoutes {
  readonly #turns = new KeyedLocks<string>();

  constructor(
    private readonly routes: SandboxRoutes,
    private readonly registry: Registry,
    private readonly log: Log,
    private readonly wait: { readonly attempts: number; readonly pauseMs: number } = patience,
  ) {}

  /** @throws {DriverError} `options-invalid` if the network asks for routes that this daemon could not add */
  refuseOfNetwork(network: NetworkSpec): void {
    const asked = (network.containerRoutes ?? []).filter(
      ({ metric, refusal }) => metric !== undefined || refusal !== undefined,
    );
    const defaults = gatewaysOfAll(network).filter(({ metric }) => metric !== undefined);
    if (asked.length + defaults.length > 0) this.#refuse();
  }

  /** As {@link refuseOfNetwork}, for an endpoint. */
  refuseOfEndpoint(...[endpoint, network]: Parameters<typeof routesByDriver>): void {
    if (routesByDriver(endpoint, network).length > 0) this.#refuse();
  }

  #refuse(): void {
    const obstacle = this.routes.obstacle();
    if (obstacle === undefined) return;
    throw new DriverError(
      'options-invalid',
      'routes in containers that have a metric or let nothing pass, tsbridge.metric and tsbridge.gateways with metrics are ' +
        `added by the daemon, not by the engine: ${obstacle}, or leave them out`,
    );
  }

  /**
   * Adds the routes of an endpoint as soon as the engine has brought the interface up. The engine does that only after
   * Join was answered, so Join calls this and does not wait for it.
   */
  addSoon(state: EndpointState): void {
    if (wantedOf(state).length === 0) return;
    background(this.log, 'adding routes inside of a container', () => this.#whenUp(state));
  }

  async #whenUp(state: EndpointState): Promise<void> {
    const { sandboxKey } = state.record;
    for (let attempt = 0; attempt < this.wait.attempts; attempt += 1) {
      if (!this.#isJoined(state) || state.record.sandboxKey !== sandboxKey) return;
      if ((await this.#ensure(state, false)) !== undefined) return;
      await setTimeout(this.wait.pauseMs);
    }
    this.log.warn(
      { endpoint: shortId(state.spec.id), sandbox: sandboxKey },
      `the container's interface did not come up: it has no routes ${wantedOf(state).map(containerRouteText).join(', ')} yet`,
    );
  }

  /**
   * Adds what is missing in the containers of these endpoints; goes on past failures.
   *
   * @returns what was done, or with `dryRun` would be
   */
  async repair(dryRun: boolean, states: readonly EndpointState[]): Promise<string[]> {
    const done: string[] = [];
    const errors = new ErrorList();
    for (const state of states) {
      if (wantedOf(state).length === 0) continue;
      await errors.attempt(async () => {
        done.push(...((await this.#ensure(state, dryRun)) ?? []));
      });
    }
    if (errors.failed) {
      const failure = new Error(errors.message);
      throw wrapError('repairing routes inside of containers', failure, 'route-failed');
    }
    return done;
  }

  /**
   * Removes the routes that outlive the interface (`blackhole` and its like), when a container leaves the network and
   * goes on running. Routes that another endpoint of the container asks for stay. All others go with the interface.
   *
   * The driver calls this when the engine calls Leave, and again when the endpoint is removed: a daemon that died before it
   * answered Leave may have left the routes there, and no engine repeats Leave. By then the interface may have left the sandbox.
   */
  async removeOf(state: EndpointState): Promise<void> {
    const { sandboxKey } = state.record;
    const surviving = wantedOf(state).filter(survivesLink);
    if (sandboxKey === undefined || sandboxKey === '' || surviving.length === 0) return;
    await this.#turns.exclusive(sandboxKey, async () => {
      const others = this.registry
        .endpoints()
        .filter((other) => other.record.sandboxKey === sandboxKey && this.#isJoined(other))
        .flatMap((other) => wantedOf(other).map(containerRouteText));
      const gone = surviving.filter((route) => !others.includes(containerRouteText(route)));
      // A failure does not fail the call: the routes go with a container that ends, and one that goes on can live with
      // them.
      await this.routes.removeRefusals(sandboxKey, gone).catch((error) => {
        this.log.warn(
          { endpoint: shortId(state.spec.id), error },
          'removing routes inside of a container failed',
        );
      });
    });
  }

  /**
   * Adds the missing routes of an endpoint, and answers with a line for each step. undefined: the interface is not
   * there yet, or not any more.
   */
  async #ensure(state: EndpointState, dryRun: boolean): Promise<string[] | undefined> {
    const { sandboxKey } = state.record;
    if (sandboxKey === undefined || sandboxKey === '') return undefined;
    const { host } = state.spec.veth;
    return this.#turns.exclusive(sandboxKey, async () => {
      if (!this.#isJoined(state)) return undefined;
      const observed = await this.routes.observe(sandboxKey, host);
      if (observed === undefined) return undefined;
      const steps = planContainerRoutes(wantedOf(state), observed);
      if (!dryRun && steps.length > 0) await this.routes.apply(sandboxKey, host, steps);
      return steps.map((step) => describeContainerRouteStep(host, step));
    });
  }

  /** Whether the endpoint is joined: there, ready, and not said to have left. */
  #isJoined(state: EndpointState): boolean {
    const { phase } = state.record;
    const current = this.registry.endpoint(state.spec.id) === state;
    return current && phase === 'ready' && state.left !== true;
  }
}

const wantedOf = ({ spec, network }: EndpointState): readonly ContainerRoute[] =>
  routesByDriver(spec, network.spec);
