/**
 * Sets limits as an operator asks for them: reads the words, finds the endpoints, and answers with what they have then.
 */

import { DriverError } from '../core/errors.js';
import { type NetworkId, parseEngineName, shortId } from '../core/names.js';
import { didYouMean } from '../core/nearest.js';
import type { GivenLimits, LimitField, RateLimit } from '../core/network/limits.js';
import { ownNamespace } from '../core/options/option-reader.js';
import { limitFields, limitOptions, readLimits } from '../core/options/own/limit-options.js';
import { Problems, show } from '../core/problems.js';
import type { Containers } from '../driver/host.js';
import { findEndpoint } from '../driver/publications/find.js';
import type { EndpointState, NetworkState } from '../driver/state/registry.js';
import { limitsOfEndpoint } from '../driver/usecases/limits.js';
import { setEndpointLimits, setNetworkLimits } from '../driver/usecases/set-limits.js';
import type { World } from '../driver/world.js';

export interface SetBody {
  /** Name, id, or first digits of the id of a container; absent: all containers of the network. */
  readonly container?: string | undefined;
  /** Name, id, or first digits of the id of a network, or the name of its bridge. */
  readonly network?: string | undefined;
  /** One limit each: `rate_down=20mbit`. */
  readonly limits: readonly string[];
}

/** A container's endpoint with the limits that it has then. */
export interface LimitedEndpoint {
  readonly endpoint: string;
  /** Name of the container; null: it is not known. */
  readonly container: string | null;
  readonly network: { readonly id: string; readonly name: string | null };
  readonly limits: { readonly down: RateLimit | null; readonly up: RateLimit | null };
}

export class LimitSetting {
  constructor(
    private readonly world: World,
    private readonly containers: Containers,
    private readonly recovered: Promise<void>,
  ) {}

  /** @returns the endpoints that the request is about */
  async set(body: SetBody): Promise<readonly LimitedEndpoint[]> {
    const { limits, forgotten } = read(body);
    await this.recovered;
    const { container, network } = body;
    if (container === undefined) {
      const state = await this.#network(network ?? '');
      await setNetworkLimits(this.world, state, limits, forgotten);
      this.#tell(`${body.limits.join(' ')} for network ${network}`);
      return [...state.endpoints.values()].map((each) => this.#describe(each));
    }
    const { state } = await findEndpoint(this.world, this.containers, { container, network });
    await setEndpointLimits(this.world, state, limits, forgotten);
    this.#tell(`${body.limits.join(' ')} for ${container}`);
    return [this.#describe(state)];
  }

  async #network(word: string): Promise<NetworkState> {
    const find = (): NetworkState[] =>
      this.world.registry.networks().filter(({ spec, record }) => {
        const isNamed = word === spec.bridge || word === this.containers.networkName(spec.id);
        return record.phase === 'ready' && (isNamed || beginsId(spec.id, word));
      });
    if (find().length === 0) await this.containers.refresh().catch(() => {});
    const [only, other] = find();
    if (only !== undefined && other === undefined) return only;
    throw new DriverError(
      'network-unknown',
      only === undefined
        ? `no network of tsbridge is called ${show(word)}: "tsbridge ps" names those that have containers`
        : `${show(word)} is ambiguous: it begins the ids of ${shortId(only.spec.id)} and others`,
    );
  }

  #tell(text: string): void {
    this.world.telemetry.tell({ kind: 'operator', action: 'set', text });
  }

  #describe(state: EndpointState): LimitedEndpoint {
    const { spec, network } = state;
    const { down = null, up = null } = limitsOfEndpoint(state);
    return {
      endpoint: spec.id,
      container: this.containers.of(spec.id)?.name ?? null,
      network: { id: spec.networkId, name: this.containers.networkName(network.spec.id) ?? null },
      limits: { down, up },
    };
  }
}

const beginsId = (id: NetworkId, word: string): boolean =>
  /^[0-9a-z]{4,64}$/.test(word) && id.startsWith(word);

const words: readonly string[] = Object.values(limitOptions).map((name) =>
  name.slice(ownNamespace.length),
);

interface ReadLimits {
  readonly limits: GivenLimits;
  /** Values that were set before and are taken back, by `rate_down=default`. */
  readonly forgotten: readonly LimitField[];
}

/** @throws {DriverError} `bad-request` with everything that is wrong */
function read({ container, network, limits }: SetBody): ReadLimits {
  const problems = new Problems();
  for (const name of [container, network]) {
    if (name !== undefined && parseEngineName(name) === undefined) {
      problems.add(`${show(name)} is neither a name nor an id`);
    }
  }
  if (container === undefined && network === undefined) {
    problems.add('neither a container nor a network is named');
  }
  const options: Record<string, string> = {};
  const forgotten: LimitField[] = [];
  for (const text of limits) {
    const [word = '', value] = text.split('=', 2);
    if (value === undefined || !words.includes(word)) {
      const hint = didYouMean(word, words);
      problems.add(`${show(text)} is no limit: use ${words.join(', ')} with =VALUE${hint}`);
    } else if (value === 'default') forgotten.push(...fieldsOf(ownNamespace + word));
    else options[ownNamespace + word] = value;
  }
  if (limits.length === 0) problems.add(`no limit is named: use ${words.join(', ')} with =VALUE`);
  const given = readLimits(options, problems) ?? {};
  return problems.resolve({ limits: given, forgotten }, 'bad-request', 'reading the limits');
}

function fieldsOf(option: string): LimitField[] {
  const field = limitFields[option];
  return field === undefined ? [] : [field];
}
