/** The journey of a packet: all of what it meets in one address family of the host. */
import type { Answers, RouteAnswer } from './facts.js';
import { translatedBy } from './flow-translation.js';
import { type Hook, manipulationAt, trackingPriority, tracksAt } from './hooks.js';
import type { NativeChain, NativeTable } from './native/native-table.js';
import { walkNative } from './native/native-walk.js';
import { beginsFlow, type FlowState, newFlow, type Packet } from './packet.js';
import type { RuleTable } from './rule-table.js';
import { type Entry, leadsElsewhere, nameOf, placeWords, stationsAt } from './stations.js';
import type { Manipulation } from './targets.js';
import { type Choices, type Step, type TableVerdict, walkTable } from './walk.js';

/** Who holds a table: iptables of one variant, or nft itself. */
export type TableVariant = RuleTable['variant'] | NativeTable['variant'];

/** One station of the journey, in order. */
export type Stage =
  | {
      readonly kind: 'table';
      readonly hook: Hook;
      /** `filter`; of a native one with the family, `inet firewalld`. */
      readonly table: string;
      readonly variant: TableVariant;
      readonly steps: readonly Step[];
      /** As the table left it, if it changed it. */
      readonly packetAfter?: Packet;
    }
  | {
      readonly kind: 'tracking';
      readonly hook: Hook;
      readonly state: FlowState | 'invalid';
      /** The flow was there before the packet: no chain of type nat is asked. */
      readonly known?: true;
    }
  /** The kernel gives the packet the addresses that were chosen for its flow's first packet. */
  | { readonly kind: 'translation'; readonly hook: Hook; readonly packetAfter: Packet }
  | { readonly kind: 'route'; readonly route: RouteAnswer };

/** Where the journey ends. */
export type End =
  | { readonly kind: 'host' }
  | { readonly kind: 'sent'; readonly outInterface: string }
  | {
      readonly kind: 'dropped' | 'rejected';
      readonly hook: Hook;
      readonly table: string;
      readonly variant: TableVariant;
    }
  | { readonly kind: 'lost'; readonly words: string }
  | { readonly kind: 'unknown'; readonly words: string };

export interface Journey {
  readonly stages: readonly Stage[];
  readonly end: End;
  /** As it was at the end. */
  readonly packet: Packet;
}

/**
 * @param tables of the packet's family; two of one name (iptables' nft and legacy) are asked in their order here
 * @param packet not routed yet; without `inInterface` it is made on the host
 * @throws {Unanswered}
 */
export function follow(
  tables: readonly (RuleTable | NativeTable)[],
  packet: Packet,
  answers: Answers,
  choices: Choices,
): Journey {
  const way = new Way(tables, packet, answers, choices);
  const end = packet.inInterface === undefined ? way.fromHost() : way.fromOutside();
  return { stages: way.stages, end, packet: way.packet };
}

class Way {
  readonly stages: Stage[] = [];
  packet: Packet;
  /** What table nat has been asked about; it is asked once for each in the life of a flow. */
  readonly #translated = new Set<Manipulation>();
  #isRoutedAgain = false;

  constructor(
    private readonly tables: readonly (RuleTable | NativeTable)[],
    packet: Packet,
    private readonly answers: Answers,
    private readonly choices: Choices,
  ) {
    this.packet = packet;
  }

  fromOutside(): End {
    return this.#hook('PREROUTING') ?? this.#routed(this.#route());
  }

  /** A packet that no rule sends elsewhere leaves by the route that was found first. */
  fromHost(): End {
    const first = this.#route();
    if (first.to === 'nowhere') return { kind: 'lost', words: first.words };
    this.#leaves(first);
    const ended = this.#hook('OUTPUT');
    if (ended !== undefined) return ended;
    const route = this.#isRoutedAgain ? this.#route() : first;
    if (route.to === 'nowhere') return { kind: 'lost', words: route.words };
    this.#leaves(route);
    const left = this.#hook('POSTROUTING');
    if (left !== undefined) return left;
    return route.to === 'host' ? this.#looped() : this.#sent(route.outInterface);
  }

  /** What the host sends to itself comes back by `lo`; on the way out, all was settled that nat is asked for. */
  #looped(): End {
    for (const manipulation of ['source', 'destination'] as const) {
      this.#translated.add(manipulation);
    }
    const { outInterface: _, flow, ...rest } = this.packet;
    const left = typeof flow === 'string' ? flow : { ...flow, confirmed: true };
    this.packet = { ...rest, flow: left, inInterface: 'lo' };
    return this.#hook('PREROUTING') ?? this.#delivered();
  }

  #routed(route: RouteAnswer): End {
    if (route.to === 'nowhere') return { kind: 'lost', words: route.words };
    if (route.to === 'host') return this.#delivered();
    this.#leaves(route);
    // The kernel counts the hop before it asks chain FORWARD.
    if (this.packet.ttl <= 1) return { kind: 'lost', words: 'its time to live is used up' };
    this.packet = { ...this.packet, ttl: this.packet.ttl - 1 };
    const forwarded = this.#hook('FORWARD') ?? this.#hook('POSTROUTING');
    return forwarded ?? this.#sent(route.outInterface);
  }

  #delivered(): End {
    return this.#hook('INPUT') ?? { kind: 'host' };
  }

  #sent(outInterface: string): End {
    return { kind: 'sent', outInterface };
  }

  #leaves(route: RouteAnswer): void {
    const outInterface = route.to === 'interface' ? route.outInterface : 'lo';
    this.packet = { ...this.packet, outInterface };
  }

  #route(): RouteAnswer {
    const { family, source, destination, inInterface, mark, tos, protocol } = this.packet;
    const { sourcePort, destinationPort } = this.packet;
    const route = this.answers.ask({
      kind: 'route',
      family,
      ...{ source, destination, mark, tos, protocol, sourcePort, destinationPort },
      ...(inInterface === undefined ? {} : { inInterface }),
    });
    this.stages.push({ kind: 'route', route });
    return route;
  }

  /** undefined: the packet goes on. */
  #hook(hook: Hook): End | undefined {
    for (const station of stationsAt(hook, this.tables, this.packet.family)) {
      if (station === 'tracking') this.#track(hook);
      else if (station === 'translation') this.#translate(hook);
      else {
        const isOrdered = station.length === 1 || station.every(({ chain }) => chain === undefined);
        const end = isOrdered ? this.#inOrder(hook, station) : this.#tied(hook, station);
        if (end !== undefined) return end;
      }
    }
    return undefined;
  }

  #inOrder(hook: Hook, entries: readonly Entry[]): End | undefined {
    for (const entry of entries) {
      const end = this.#enter(hook, entry);
      if (end !== undefined) return end;
    }
    return undefined;
  }

  /** Chains of one priority: their order is a condition if it makes a difference, else they are taken as listed. */
  #tied(hook: Hook, entries: readonly Entry[]): End | undefined {
    const asked = entries.filter((entry) => this.#isAsked(hook, entry));
    const before = this.packet;
    const walks = asked.map((entry) => ({ entry, left: this.#walk(hook, entry) }));
    const acting = walks.filter(({ left }) => left.verdict !== 'accept' || left.packet !== before);
    const isPlain = acting.every(
      ({ left }) =>
        left.packet === before || (left.translated && asked.every(({ isNat }) => isNat)),
    );
    if (acting.length <= 1 && isPlain) {
      for (const { entry, left } of walks) {
        const end = this.#leave(hook, entry, left);
        if (end !== undefined) return end;
      }
      return undefined;
    }
    return this.#inOrder(hook, this.#order(asked));
  }

  #order(entries: readonly Entry[]): Entry[] {
    const [rest, ordered]: [Entry[], Entry[]] = [[...entries], []];
    while (rest.length > 0) {
      const first = rest.find((entry) => {
        const others = rest.filter((each) => each !== entry).map(placeWords);
        if (entry === rest.at(-1)) return true;
        const words = `the kernel asks it before ${others.join(' and ')}, of the same priority`;
        return this.choices.take(placeWords(entry), [words]);
      }) as Entry;
      ordered.push(...rest.splice(rest.indexOf(first), 1));
    }
    return ordered;
  }

  /** The packet keeps the entry that it has, e.g. from chain OUTPUT when it comes back by `lo`. */
  #track(hook: Hook): void {
    if (this.packet.flow !== 'none') return;
    const { known, ...packet } = this.packet;
    if (known !== undefined) {
      this.packet = { ...packet, flow: known };
      for (const manipulation of ['source', 'destination'] as const) {
        this.#translated.add(manipulation);
      }
      this.stages.push({ kind: 'tracking', hook, state: known.state, known: true });
      return;
    }
    const isNew = beginsFlow(this.packet);
    if (isNew) this.packet = { ...this.packet, flow: newFlow(this.packet) };
    this.stages.push({ kind: 'tracking', hook, state: isNew ? 'new' : 'invalid' });
  }

  #translate(hook: Hook): void {
    const before = this.packet;
    this.packet = translatedBy(before, manipulationAt(hook));
    if (this.packet === before) return;
    // As after a rule of nat, the kernel looks for a route again if the destination has changed: see leadsElsewhere.
    this.#isRoutedAgain ||= hook === 'OUTPUT' && before.destination !== this.packet.destination;
    this.stages.push({ kind: 'translation', hook, packetAfter: this.packet });
  }

  #enter(hook: Hook, entry: Entry): End | undefined {
    if (!this.#isAsked(hook, entry)) return undefined;
    const { chain, priority } = entry;
    if (chain !== undefined && tracksAt(hook) && priority === trackingPriority) {
      const words = `whether connection tracking looks before ${placeWords(entry)} cannot be read`;
      return { kind: 'unknown', words };
    }
    return this.#leave(hook, entry, this.#walk(hook, entry));
  }

  #isAsked(hook: Hook, { isNat }: Entry): boolean {
    return !isNat || this.#isAskedToTranslate(hook);
  }

  #walk(hook: Hook, { table, chain }: Entry): TableVerdict {
    const { packet, answers, choices } = this;
    if (table.variant !== 'native') return walkTable(table, hook, packet, answers, choices);
    return walkNative(table, chain as NativeChain, packet, answers, choices);
  }

  #leave(hook: Hook, entry: Entry, left: TableVerdict): End | undefined {
    const before = this.packet;
    this.packet = left.packet;
    this.#isRoutedAgain ||= hook === 'OUTPUT' && leadsElsewhere(entry, before, left.packet);
    const { variant } = entry.table;
    const table = nameOf(entry);
    this.stages.push({
      kind: 'table',
      ...{ hook, table, variant, steps: left.steps },
      ...(left.packet === before ? {} : { packetAfter: left.packet }),
    });
    if (left.translated !== undefined) this.#translated.add(left.translated);
    if (left.verdict === 'drop') return { kind: 'dropped', hook, table, variant };
    if (left.verdict === 'reject') return { kind: 'rejected', hook, table, variant };
    if (left.verdict === 'unknown') return { kind: 'unknown', words: left.words ?? '' };
    return undefined;
  }

  /** Only the first packet of a flow is, and for source and destination once each. */
  #isAskedToTranslate(hook: Hook): boolean {
    const { flow } = this.packet;
    if (typeof flow === 'string' || flow.state !== 'new') return false;
    return !this.#translated.has(manipulationAt(hook));
  }
}
