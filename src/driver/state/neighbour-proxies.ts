/**
 * Adds, removes and repairs the entries by which the host answers neighbours for containers (`tsbridge.ndp_proxy`,
 * `tsbridge.attach=proxy`), one change at a time; and tells neighbours of containers that join.
 */

import type { Family } from '../../core/address.js';
import { DriverError, ErrorList, wrapError } from '../../core/errors.js';
import { advertisementsOf } from '../../core/network/advertisements.js';
import {
  type AnsweringSysctl,
  answeringSysctls,
  describeProxyStep,
  isProxied,
  type NeighbourProxy,
  type ObservedProxy,
  planProxies,
  proxiesOf,
  proxyText,
} from '../../core/network/neighbour-proxies.js';
import type { NetworkSpec } from '../../core/network/network.js';
import { parentObstacle } from '../../core/options/attach-options.js';
import type { Neighbours } from '../host/neighbours.js';
import type { Sysctls } from '../host.js';
import { KeyedLocks } from './locks.js';
import type { EndpointState, Registry } from './registry.js';

export class NeighbourProxies {
  readonly #turns = new KeyedLocks<'proxies'>();
  /** Whether the host may have entries of ours; undefined: nobody has looked yet. */
  #mayHave: boolean | undefined;

  constructor(
    private readonly neighbours: Neighbours,
    private readonly sysctls: Sysctls,
    private readonly registry: Registry,
  ) {}

  /** @throws {DriverError} `options-invalid` if the network cannot have its parent (`tsbridge.attach=proxy`) */
  async refuseOfNetwork(network: NetworkSpec): Promise<void> {
    if (network.parent === undefined) return;
    const addresses = await this.neighbours.addressesOf(network.parent);
    const obstacle = parentObstacle(network, addresses);
    if (obstacle !== undefined) throw new DriverError('options-invalid', obstacle);
  }

  /** The interface of the host's default route; undefined: there is none. */
  uplink(family: Family): Promise<string | undefined> {
    return this.neighbours.uplink(family);
  }

  /** Adds the entries of an endpoint that has joined. */
  async addOf(state: EndpointState): Promise<void> {
    if (!isAsked(state)) return;
    await this.#turns.exclusive('proxies', async () => {
      this.#mayHave = true;
      // An entry of another program serves as well. It is not added again, which would give it our protocol number.
      const there = await this.#observed();
      for (const proxy of await this.#of([state])) {
        await (there.has(proxyText(proxy)) ? this.#answer(proxy) : this.#add(proxy));
      }
    });
  }

  /**
   * Tells neighbours who has the addresses of an endpoint that joins: the container on the bridge of a LAN, the host where
   * it answers for the container. Called before the answer to Join, while the container's interface is still down:
   * if it were up, the container would receive the frames and take its own addresses for another host's.
   */
  async advertise(state: EndpointState): Promise<void> {
    const { spec, network } = state;
    for (const each of advertisementsOf(spec, network.spec)) await this.neighbours.advertise(each);
    if (!isAsked(state)) return;
    for (const { device, address } of await this.#of([state])) {
      await this.neighbours.advertise({ device, addresses: [address] });
    }
  }

  /** Removes the entries of an endpoint that is not desired any more, but for those that another endpoint asks for. */
  async removeOf(state: EndpointState): Promise<void> {
    if (!isAsked(state)) return;
    await this.#turns.exclusive('proxies', async () => {
      const kept = new Set((await this.#desired()).map(proxyText));
      const there = await this.#observed();
      for (const proxy of await this.#of([state])) {
        const isForeign = there.get(proxyText(proxy))?.isOurs === false;
        if (!isForeign && !kept.has(proxyText(proxy))) await this.neighbours.removeProxy(proxy);
      }
    });
  }

  /**
   * Adds what is missing, and removes what nobody asks for; goes on past failures.
   *
   * @param look `if-likely`: the host is not read if nobody asks for an entry and the last look has found none of ours
   * @returns what was done, or with `dryRun` would be: `answer for fd00:5::2 on eth0`
   */
  async repair(dryRun: boolean, look: 'always' | 'if-likely' = 'always'): Promise<string[]> {
    const isLikely = this.#mayHave !== false || this.registry.endpoints().some(isAsked);
    if (look === 'if-likely' && !isLikely) return [];
    return this.#turns.exclusive('proxies', async () => {
      const observed = await this.neighbours.proxies();
      const desired = await this.#desired();
      this.#mayHave = desired.length > 0 || observed.some(({ isOurs }) => isOurs === true);
      const done: string[] = [];
      const errors = new ErrorList();
      for (const step of planProxies(desired, observed)) {
        // A network whose record cannot be read may ask for the entry: as long as there is such a record, no entry is
        // removed.
        if (step.kind === 'remove' && this.registry.unreadable.all().length > 0) continue;
        await errors.attempt(async () => {
          if (!dryRun) {
            if (step.kind === 'add') await this.#add(step.proxy);
            else await this.neighbours.removeProxy(step.proxy);
          }
          done.push(describeProxyStep(step));
        });
      }
      for (const setting of answeringSysctls(desired)) {
        await errors.attempt(async () => {
          done.push(...(await this.#set(setting, dryRun)));
        });
      }
      if (errors.failed) {
        throw wrapError('repairing neighbours', new Error(errors.message), 'route-failed');
      }
      return done;
    });
  }

  async #observed(): Promise<ReadonlyMap<string, ObservedProxy>> {
    return new Map((await this.neighbours.proxies()).map((each) => [proxyText(each), each]));
  }

  async #add(proxy: NeighbourProxy): Promise<void> {
    await this.neighbours.addProxy(proxy);
    await this.#answer(proxy);
  }

  async #answer(proxy: NeighbourProxy): Promise<void> {
    for (const setting of answeringSysctls([proxy])) await this.#set(setting, false);
  }

  /** Has the kernel answer, and at once: by default it answers late, or not at all. */
  async #set({ path, value }: AnsweringSysctl, dryRun: boolean): Promise<string[]> {
    const there = await this.sysctls.read(path);
    if (there === value) return [];
    if (there === undefined) {
      const why = path.startsWith('net/ipv6/') ? '; is IPv6 switched on there?' : '';
      throw new DriverError(
        'route-failed',
        `answering neighbours: there is no /proc/sys/${path}${why}`,
      );
    }
    if (!dryRun) await this.sysctls.write(path, value);
    return [`set ${path} to ${value}`];
  }

  #desired(): Promise<NeighbourProxy[]> {
    return this.#of(
      this.registry.endpoints().filter((state) => {
        const { phase } = state.record;
        return phase === 'ready' && state.network.record.phase === 'ready';
      }),
    );
  }

  async #of(states: readonly EndpointState[]): Promise<NeighbourProxy[]> {
    const asking = states.filter(isAsked);
    if (asking.length === 0) return [];
    const byUplink = asking.some(({ network }) => network.spec.ndpProxy === 'uplink');
    const uplink = byUplink ? await this.neighbours.uplink(6) : undefined;
    return asking.flatMap(({ spec, network }) => proxiesOf(spec, network.spec, uplink));
  }
}

const isAsked = ({ spec, network }: EndpointState): boolean => isProxied(spec, network.spec);
