/**
 * A front end is a protocol by which networks are asked for; Docker's plugin protocol is one. The driver
 * keeps on record what was asked for, as it came, and has the front end parse it in the call and at every
 * start: a start may bring other settings, and a version that understands more options.
 */
import type { GenerationName } from '../core/generations/generation.js';
import type { EndpointId, NetworkId } from '../core/names.js';
import type { EndpointSpec } from '../core/network/endpoint.js';
import type { NetworkSpec } from '../core/network/network.js';
import type { DriverSettings } from './settings.js';

/** What was asked for: on record, and compared when a call is repeated. */
export interface Asked {
  /** Name of the front end that can read `input`. */
  readonly frontEnd: string;
  /** JSON that only this front end parses. */
  readonly input: unknown;
}

export interface AskedNetwork extends Asked {
  readonly networkId: NetworkId;
}

export interface AskedEndpoint extends Asked {
  readonly networkId: NetworkId;
  readonly endpointId: EndpointId;
}

/** What a person is told to do, in the commands of the front end. */
export interface FrontEndWords {
  /** Removes a network that the front end knows: `docker network rm`. */
  readonly removeNetwork: string;
  /** Lists the networks that the front end knows: `docker network ls`. */
  readonly listNetworks: string;
}

export interface FrontEnd {
  readonly name: string;
  readonly words: FrontEndWords;
  /**
   * @param generation of the host's engine, whose lack of an option is a problem; without it, for
   *   networks that exist already, all options are accepted
   * @throws DriverError with every problem
   */
  readNetwork(
    input: unknown,
    settings: DriverSettings,
    generation?: GenerationName,
  ): { readonly spec: NetworkSpec; readonly warnings: readonly string[] };
  /** The part of it that goes on record, as JSON has it; a repeated call is compared with it. */
  keepNetwork(input: unknown): unknown;
  keepEndpoint(input: unknown): unknown;
  /** @throws DriverError with every problem */
  readEndpoint(
    input: unknown,
    network: NetworkSpec,
  ): {
    readonly spec: EndpointSpec;
    /** Whether the front end has said which MAC address. */
    readonly macGiven: boolean;
    readonly warnings: readonly string[];
  };
}

/** The front ends of this daemon, by name. */
export class FrontEnds {
  readonly #byName: ReadonlyMap<string, FrontEnd>;

  constructor(frontEnds: readonly FrontEnd[]) {
    this.#byName = new Map(frontEnds.map((each) => [each.name, each]));
  }

  /** Throws for the record of a front end that this version lacks. */
  of({ frontEnd }: Pick<Asked, 'frontEnd'>): FrontEnd {
    const known = this.#byName.get(frontEnd);
    if (known === undefined) throw new Error(`its front end ${frontEnd} is not known`);
    return known;
  }
}
