/**
 * What the engine has forgotten, found out by asking it: networks whose creation or removal broke off, and endpoints
 * whose removal never reached us. Shown to operators, and removed after a time, unless that is switched off.
 */
import { background } from '../../background.js';
import { DriverError, messageOf } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import { networkLabel } from '../../core/network/network.js';
import { type Clock, systemClock } from '../clock.js';
import { type Engine, type EngineIdentity, EngineSilent } from '../engine.js';
import { isLeased } from '../state/leased.js';
import type { EndpointState, NetworkState } from '../state/registry.js';
import { removeEndpoint } from '../usecases/endpoints.js';
import { deleteNetwork } from '../usecases/networks.js';
import type { World } from '../world.js';
import {
  type Collected,
  collectedEvent,
  describeEndpoint,
  type ForgottenEndpoint,
} from './collected.js';
import {
  answers,
  type EngineAnswers,
  knowsNetwork,
  mayBeStarting,
  whyNoProof,
} from './engine-proofs.js';
import { describe, type ForgottenNetwork, whatIsLeft, whyInUse } from './forgotten-networks.js';
import type { Owners } from './owners.js';
import { type Forgettable, type Suspect, Suspects } from './suspects.js';

/** Milliseconds between the two questions: what the engine is making or removing is listed rightly by then. */
const againMs = 10_000;
/** How often the engine is asked for its networks. */
const lookMs = 60_000;

/** With the record of when it was first asked for: any change since then makes the answers worthless. */
type Candidate<T extends Forgettable> = readonly [state: T, record: T['record']];

export class Forgotten {
  readonly #suspects: Suspects;
  #loaded: Promise<void> = Promise.resolve();
  #timer: unknown;
  #stopped = false;

  /**
   * @param afterMs when what has been forgotten is removed; `off`: never
   * @param isKnown whether the engine has named the endpoint's container lately; true also if it is silent
   */
  constructor(
    private readonly world: World,
    private readonly engine: Engine,
    private readonly owners: Owners,
    private readonly afterMs: number | 'off',
    isKnown: (state: EndpointState) => boolean,
    private readonly clock: Clock = systemClock,
  ) {
    this.#suspects = new Suspects(world.registry, isKnown, clock);
  }

  start(): void {
    this.#loaded = this.owners.load();
    this.#schedule(0);
  }

  stop(): void {
    this.#stopped = true;
    this.clock.clearTimeout(this.#timer);
  }

  suspects(): Suspect[] {
    return this.#suspects.all();
  }

  /**
   * Asks twice, and removes what both answers prove to be forgotten.
   *
   * @param dryRun removes nothing
   * @param only of these; undefined: of all
   * @param beside `sandbox`: also an endpoint whose container runs on without it
   * @throws {DriverError} `network-busy`: nothing is proven, and why
   */
  async collect(
    dryRun: boolean,
    only?: ReadonlySet<Forgettable>,
    beside?: 'sandbox',
  ): Promise<Collected> {
    await this.#loaded;
    const { registry } = this.world;
    const candidates = <T extends Forgettable>(states: readonly T[]): Candidate<T>[] =>
      states
        .filter((state) => only === undefined || only.has(state))
        .map((state) => [state, state.record]);
    // No engine knows what a lease holds: that its lists lack it proves nothing.
    const endpoints = candidates(registry.endpoints().filter(({ network }) => !isLeased(network)));
    const networks = candidates(registry.networks().filter((state) => !isLeased(state)));
    const first = await this.#ask();
    await new Promise<void>((resolve) => {
      this.clock.setTimeout(resolve, againMs);
    });
    const second = await this.#ask();
    const why = whyNoProof(first.identity, second.identity);
    if (why !== undefined) throw new DriverError('network-busy', `nothing is proven: ${why}`);
    const kept: string[] = [];
    const gone: { networks: ForgottenNetwork[]; endpoints: ForgottenEndpoint[] } = {
      networks: [],
      endpoints: [],
    };
    const over = new Set<EndpointState>();
    for (const [state, record] of endpoints) {
      const { id } = state.spec;
      if (first.endpoints.has(id) || second.endpoints.has(id)) continue;
      const shown = describeEndpoint(state);
      const reason = await this.#removing(state, record, dryRun, second, async () => {
        const obstacle = await this.#whyKeepEndpoint(state, first, second, beside);
        if (obstacle === undefined && !dryRun) await removeEndpoint(this.world, state);
        return obstacle;
      });
      const left =
        reason ?? (dryRun ? undefined : await whatIsLeft(this.world, state.spec.veth.host));
      if (reason === undefined) over.add(state);
      if (left !== undefined) kept.push(`endpoint ${shortId(id)} on ${shown.bridge}: ${left}`);
      else gone.endpoints.push(shown);
    }
    for (const [state, record] of networks) {
      const { id, bridge } = state.spec;
      if (knowsNetwork(first, id) || knowsNetwork(second, id)) continue;
      const shown = describe(state);
      const reason = await this.#removing(state, record, dryRun, second, async () => {
        const obstacle = await this.#whyKeepNetwork(state, second, over);
        if (obstacle === undefined && !dryRun) await deleteNetwork(this.world, id);
        return obstacle;
      });
      const left = reason ?? (dryRun ? undefined : await whatIsLeft(this.world, bridge));
      if (left !== undefined) kept.push(`network ${networkLabel(state.spec)}: ${left}`);
      else gone.networks.push(shown);
    }
    return { ...gone, kept };
  }

  /** Does the work under the network's lock. @returns why the object is kept; undefined if nothing keeps it */
  async #removing(
    state: Forgettable,
    record: Forgettable['record'],
    dryRun: boolean,
    { identity }: EngineAnswers,
    work: () => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const { registry, networkLocks, log } = this.world;
    const isEndpoint = 'network' in state;
    const { id, bridge } = isEndpoint ? state.network.spec : state.spec;
    try {
      // Asked without the lock, for which a call of the engine may wait.
      const { process } = await this.engine.identity();
      if (process !== identity.process) return 'the engine was started again meanwhile';
      const reason = await networkLocks.exclusive(id, async () => {
        const now = isEndpoint ? registry.endpoint(state.spec.id) : registry.network(id);
        if (now !== state || state.record !== record) return 'it has changed meanwhile';
        return work();
      });
      if (reason === undefined && !dryRun) {
        const kind = isEndpoint ? 'an endpoint' : 'a network';
        const fields = { id: shortId(state.spec.id), bridge };
        log.warn(fields, `removed ${kind} that the engine has forgotten, as its lists prove`);
        this.#suspects.forget(state);
      }
      return reason;
    } catch (error) {
      return messageOf(error);
    }
  }

  async #whyKeepNetwork(
    state: NetworkState,
    { identity }: EngineAnswers,
    over: ReadonlySet<EndpointState>,
  ): Promise<string | undefined> {
    if (state.record.phase !== 'ready') return 'it is being made or removed';
    if (!this.owners.isNetworkOf(identity, state)) {
      return 'whether it is of this engine is not known: another one, or an earlier version, made it';
    }
    if (!this.#suspects.isOld(state)) return 'it was made or used a moment ago';
    const left = [...state.endpoints.values()].filter((endpoint) => !over.has(endpoint));
    if (left.length > 0) return `it has ${left.length} endpoints that are not proven to be over`;
    return whyInUse(this.world, state, over);
  }

  async #whyKeepEndpoint(
    state: EndpointState,
    first: EngineAnswers,
    second: EngineAnswers,
    beside?: 'sandbox',
  ): Promise<string | undefined> {
    const { spec, record, network } = state;
    const { links, sandboxes } = this.world;
    if (record.phase !== 'created' && record.phase !== 'ready')
      return 'it is being made or removed';
    if (!this.owners.isEndpointOf(second.identity, state)) {
      return 'whether it is of this engine is not known: another one, or an earlier version, made it';
    }
    if (!this.#suspects.isOld(state)) return 'it was made or used a moment ago';
    if ((await links.find(spec.veth.container)) === undefined) {
      return "its interface is in a container's network namespace, or was deleted by hand";
    }
    const { sandboxKey } = record;
    if (beside === undefined && sandboxKey && (await sandboxes.isThere(sandboxKey))) {
      return `the network namespace of its container, ${sandboxKey}, is there`;
    }
    const starting = [first, second].some((said) => mayBeStarting(said, network.spec.id));
    if (record.moved === true || !starting) return undefined;
    return 'a container of its network may be about to start with it';
  }

  /**
   * Removes an endpoint at an operator's word, if the engine's answers prove that it is over.
   *
   * @param name an id, or its first digits
   * @param dryRun answers with what would go, and removes nothing
   * @throws {DriverError} `endpoint-unknown`, or `network-busy` with the reason
   */
  async forgetEndpoint(name: string, dryRun: boolean): Promise<ForgottenEndpoint> {
    const named = /^[0-9a-f]{4,64}$/.test(name)
      ? this.world.registry.endpoints().filter(({ spec }) => spec.id.startsWith(name))
      : [];
    const [only, other] = named;
    if (only === undefined || other !== undefined) {
      const what = only === undefined ? 'is no endpoint of tsbridge' : 'begins several ids';
      throw new DriverError('endpoint-unknown', `${JSON.stringify(name)} ${what}`);
    }
    const { endpoints, kept } = await this.collect(dryRun, new Set([only]), 'sandbox');
    const [gone] = endpoints;
    if (gone !== undefined) return gone;
    const why = kept[0] ?? `endpoint ${shortId(only.spec.id)} is in use: the engine lists it`;
    throw new DriverError('network-busy', why);
  }

  async #ask(): Promise<EngineAnswers> {
    const identity = await this.engine.identity();
    const containers = await this.engine.containers();
    const said = answers(identity, containers, await this.engine.networks());
    await this.#note(identity, said.networks);
    return said;
  }

  async #note(identity: EngineIdentity, listed: EngineAnswers['networks']): Promise<void> {
    const { registry } = this.world;
    await this.owners.note(identity, listed, registry.networks());
    this.#suspects.note(identity, listed);
  }

  #schedule(afterMs = lookMs): void {
    if (this.#stopped) return;
    this.#timer = this.clock.setTimeout(() => {
      background(this.world.log, 'asking for what the engine has forgotten', this.#look());
    }, afterMs);
  }

  async #look(): Promise<void> {
    try {
      await this.#loaded;
      if (this.world.registry.networks().length === 0) return;
      const identity = await this.engine.identity();
      const networks = new Map((await this.engine.networks()).map(({ id, name }) => [id, name]));
      await this.#note(identity, networks);
      const { afterMs } = this;
      if (afterMs === 'off' || this.#stopped) return;
      const due = this.#suspects.missingFor(afterMs);
      if (due.size === 0) return;
      const collected = await this.collect(false, due);
      // Only what the daemon removes by itself: what an operator asks for has an event of its own.
      const event = collectedEvent(collected);
      if (event !== undefined) this.world.telemetry.tell(event);
      for (const line of collected.kept)
        this.world.log.debug({ line }, 'forgotten by the engine, and kept');
    } catch (error) {
      // The names service tells of an engine that does not answer.
      if (!(error instanceof EngineSilent)) {
        this.world.log.debug(
          { error: messageOf(error) },
          'what is forgotten could not be found out',
        );
      }
    } finally {
      this.#schedule();
    }
  }
}
