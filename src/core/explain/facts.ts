/**
 * What the simulation asks the host. It runs again from the beginning whenever an answer is missing, so that
 * it can be a pure function: {@link Answers} keeps what has been answered, and {@link Unanswered} is the next
 * question.
 */
import type { Family, IpAddress } from '../address.js';
import type { Packet } from './packet.js';

/** As the kernel routes a packet with these values. */
export interface RouteQuestion {
  readonly kind: 'route';
  readonly family: Family;
  readonly destination: IpAddress;
  /** Of a packet made on the host: absent while it has none yet. */
  readonly source?: IpAddress;
  /** Absent: a packet made on the host. */
  readonly inInterface?: string;
  readonly mark: number;
  readonly tos: number;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** What kind of address it is on this host, as `addrtype` sees it. */
export interface AddressTypeQuestion {
  readonly kind: 'address-type';
  readonly family: Family;
  readonly address: IpAddress;
  /** Only addresses of this interface count. */
  readonly interface?: string;
}

/** The address of the host's own that a rule takes of an interface: as a new source, or to redirect to. */
export interface InterfaceAddressQuestion {
  readonly kind: 'interface-address';
  readonly family: Family;
  readonly interface: string;
  /** An address of this one's network is preferred. Absent: the interface's first. */
  readonly toward?: IpAddress;
}

/** Whether an ipset has what the packet is; which of the packet's values, its type tells. */
export interface SetQuestion {
  readonly kind: 'set';
  readonly name: string;
  /** For each part of an entry, whose it is: `['src', 'dst']`. */
  readonly directions: readonly string[];
  readonly packet: SetPacket;
}

export type SetPacket = Pick<
  Packet,
  | 'family'
  | 'protocol'
  | 'source'
  | 'destination'
  | 'sourcePort'
  | 'destinationPort'
  | 'mark'
  | 'inInterface'
  | 'outInterface'
>;

/** Whether frames that come by this interface pass the rules as frames of a bridge (br_netfilter). */
export interface BridgedQuestion {
  readonly kind: 'bridged';
  readonly family: Family;
  readonly interface: string;
}

/** Whether the host would answer to the packet's source by the interface that the packet came by. */
export interface ReversePathQuestion {
  readonly kind: 'reverse-path';
  readonly family: Family;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly inInterface: string;
  /** 0: routes are looked up without a mark. */
  readonly mark: number;
  /** Any interface will do. */
  readonly loose: boolean;
}

export type Question =
  | RouteQuestion
  | AddressTypeQuestion
  | InterfaceAddressQuestion
  | SetQuestion
  | BridgedQuestion
  | ReversePathQuestion;

export type RouteAnswer =
  | { readonly to: 'host' }
  | { readonly to: 'interface'; readonly outInterface: string; readonly gateway?: IpAddress }
  /** `words` is a phrase with the reason: `no route`. */
  | { readonly to: 'nowhere'; readonly words: string }
  /** `words` is a phrase: what nobody can say. */
  | { readonly to: 'unknown'; readonly words: string };

export const addressTypes = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
] as const;
export type AddressType = (typeof addressTypes)[number];

/** By the question's `kind`. `undefined`: nobody can say. */
export interface AnswerOf {
  readonly route: RouteAnswer;
  readonly 'address-type': AddressType;
  readonly 'interface-address': IpAddress | undefined;
  readonly set: boolean | undefined;
  readonly bridged: boolean;
  readonly 'reverse-path': boolean | undefined;
}

/** Thrown by {@link Answers.ask}. */
export class Unanswered extends Error {
  constructor(readonly question: Question) {
    super(`not answered yet: ${JSON.stringify(question)}`);
  }
}

export class Answers {
  readonly #answers = new Map<string, AnswerOf[keyof AnswerOf]>();

  give<Q extends Question>(question: Q, answer: AnswerOf[Q['kind']]): void {
    this.#answers.set(keyOf(question), answer);
  }

  /** @throws {Unanswered} */
  ask<Q extends Question>(question: Q): AnswerOf[Q['kind']] {
    const key = keyOf(question);
    if (!this.#answers.has(key)) throw new Unanswered(question);
    return this.#answers.get(key) as AnswerOf[Q['kind']];
  }
}

/** The same for equal questions, in whichever order their fields were written. */
function keyOf(question: Question): string {
  return JSON.stringify(question, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort())
      : value,
  );
}
