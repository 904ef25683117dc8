/** The journey of a packet: all of what it meets in one address family of the host. */

import type { Choices, TableVerdict } from '../chains/chain-walk.js';
import { translatedBy } from '../chains/flow-translation.js';
import type { RuleTable } from '../chains/rule-table.js';
import type { Manipulation } from '../chains/targets.js';
import { walkTable } from '../chains/walk.js';
import type { Answers, RouteAnswer } from '../facts.js';
import type { NativeChain, NativeTable } from '../native/native-table.js';
import { walkNative } from '../native/native-walk.js';
import { beginsFlow, newFlow, type Packet } from '../packet.js';
import { type Hook, manipulationAt, trackingPriority, tracksAt } from './hooks.js';
import type { End, Stage } from './stages.js';
import { type Entry, leadsElsewhere, nameOf, placeWords, stationsAt } from './stations.js';

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
    const { bridged, destination } = this.packet;
    const before = this.#hook('PREROUTING');
    if (before !== undefined) return before;
    // The bridge sends the frame to another of its ports, unless a rule has translated the destination: then the packet
    // is routed.
    if (bridged !== true || this.packet.destination !== destination)
      return this.#routed(this.#route());
    this.packet = { ...this.packet, outInterface: this.packet.inInterface as string };
    return this.#passed();
  }

  /** A packet that no rule sends elsewhere leaves by the route that was found first. */
  fromHost(): End {
    const first = this.#route();
    if (!isFound(first)) return endOf(first);
    this.#leaves(first);
    const ended = this.#hook('OUTPUT');
    if (ended !== undefined) return ended;
    const route = this.#isRoutedAgain ? this.#route() : first;
    if (!isFound(route)) return endOf(route);
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
    if (!isFound(route)) return endOf(route);
    if (route.to === 'host') return this.#delivered();
    this.#leaves(route);
    // The kernel counts the hop before it asks chain FORWARD.
    if (this.packet.ttl <= 1) return { kind: 'lost', words: 'its time to live is used up' };
    const { bridged: _, ...packet } = this.packet;
    this.packet = { ...packet, ttl: packet.ttl - 1 };
    return this.#passed();
  }

  #passed(): End {
    const ended = this.#hook('FORWARD') ?? this.#hook('POSTROUTING');
    return ended ?? this.#sent(this.packet.outInterface as string);
  }

  #delivered(): End {
    return this.#hook('INPUT') ?? { kind: 'host' };
  }

  #sent(outInterface: string): End {
    return { kind: 'sent', outInterface };
  }

  #leaves(route: FoundRoute): void {
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
      if (station === 'tracking') {
        const end = this.#track(hook);
        if (end !== undefined) return end;
      } else if (station === 'translation') this.#translate(hook);
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
  #track(hook: Hook): End | undefined {
    if (this.packet.flow !== 'none') return undefined;
    const { known, ...packet } = this.packet;
    if (known === 'unknown') {
      const isFirst = this.choices.take('conntrack', ['no flow has these addresses and ports yet']);
      if (!isFirst) {
        return {
          kind: 'unknown',
          words: 'the flow that is there already decides, and is not known',
        };
      }
      this.packet = packet;
      return this.#track(hook);
    }
    if (known !== undefined) {
      this.packet = { ...packet, flow: known };
      for (const manipulation of ['source', 'destination'] as const) {
        this.#translated.add(manipulation);
      }
      this.stages.push({ kind: 'tracking', hook, state: known.state, known: true });
      return undefined;
    }
    const isNew = beginsFlow(this.packet);
    if (isNew) this.packet = { ...this.packet, flow: newFlow(this.packet) };
    this.stages.push({ kind: 'tracking', hook, state: isNew ? 'new' : 'invalid' });
    return undefined;
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

type FoundRoute = Exclude<RouteAnswer, { to: 'nowhere' | 'unknown' }>;

function isFound(route: RouteAnswer): route is FoundRoute {
  return route.to === 'host' || route.to === 'interface';
}

function endOf({ to, words }: Exclude<RouteAnswer, FoundRoute>): End {
  return { kind: to === 'unknown' ? 'unknown' : 'lost', words };
}
