/** From where published ports are reached, as far as this host decides: by simulated packets. */
import { familyOf, isUnspecified, parseCidr, parseIp } from '../../core/address.js';
import { otherAddress } from '../../core/doctor/places.js';
import type { RuleTable } from '../../core/explain/chains/rule-table.js';
import { endWords } from '../../core/explain/describe.js';
import { commonEnd, refusedAnyway } from '../../core/explain/explain.js';
import { Answers } from '../../core/explain/facts.js';
import type { NativeTable } from '../../core/explain/native/native-table.js';
import type { Destination, Place } from '../../core/explain/path/places.js';
import { protocolNumber } from '../../core/ports/port.js';
import { HostAnswers } from '../../host/look/host-answers.js';
import { readNativeTables } from '../../host/look/native-tables.js';
import { type NativeChain, readRuleSets } from '../../host/look/rule-sets.js';
import { explainHere } from '../explain/ask-host.js';
import { Resolver } from '../explain/resolve.js';
import { unseen } from '../explain/unseen.js';
import type { PortItem, PortReach } from '../schemas/inventory.js';
import { UsageError } from '../table/parse.js';
import type { InventoryView } from './view.js';

type From = keyof Omit<PortReach, 'because'>;
export const froms: readonly From[] = ['elsewhere', 'lan', 'host', 'otherNetworks'];

export interface Reached {
  readonly items: readonly PortItem[];
  readonly warnings: readonly string[];
}

export async function withReach(items: readonly PortItem[], view: InventoryView): Promise<Reached> {
  if (items.length === 0) return { items, warnings: [] };
  const [host, four, six] = await Promise.all([HostAnswers.open(), rulesOf(4), rulesOf(6)]);
  try {
    const found = await reachThrough(items, view, host, { 4: four, 6: six });
    return { items: found, warnings: [...new Set([...four.warnings, ...six.warnings])] };
  } finally {
    host.close();
  }
}

/** Adds to each port from where it is reached, worked out from these answers and rules: this host's, or those of a bundle. */
export async function reachThrough(
  items: readonly PortItem[],
  view: InventoryView,
  host: HostAnswers,
  rules: Readonly<Record<4 | 6, Rules>>,
): Promise<PortItem[]> {
  const simulation = new ReachSimulation(host, rules, view);
  const found: PortItem[] = [];
  for (const item of items) found.push({ ...item, reach: await simulation.reach(item) });
  return found;
}

export interface Rules {
  readonly tables: readonly (RuleTable | NativeTable)[];
  readonly unread: readonly NativeChain[];
  readonly warnings: readonly string[];
}

async function rulesOf(family: 4 | 6): Promise<Rules> {
  const rules = await readRuleSets(family);
  const native = await readNativeTables(rules.native);
  return {
    tables: [...rules.tables, ...native.tables],
    unread: native.unread,
    warnings: [...rules.warnings, ...native.warnings],
  };
}

class ReachSimulation {
  readonly #answers = new Answers();
  readonly #resolver: Resolver;

  constructor(
    private readonly host: HostAnswers,
    private readonly rules: Readonly<Record<4 | 6, Rules>>,
    private readonly view: InventoryView,
  ) {
    this.#resolver = new Resolver(host, undefined);
  }

  async reach(port: PortItem): Promise<PortReach> {
    const because: { from: string; words: string }[] = [];
    const answers: Partial<Record<From, PortReach[From]>> = {};
    for (const from of froms) {
      const { answer, words } = await this.#from(from, port);
      answers[from] = answer;
      if (words !== undefined) because.push({ from, words });
    }
    // The loop has set a key for each of `froms`.
    return { ...(answers as Record<From, PortReach[From]>), because };
  }

  async #from(from: From, port: PortItem): Promise<{ answer: PortReach[From]; words?: string }> {
    const place = this.#place(from, port);
    if (place === undefined) return { answer: 'unknown', words: 'there is no such place' };
    try {
      return await this.#follow(place, port);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return { answer: 'unknown', words: error.message };
    }
  }

  #place(from: From, port: PortItem): Place | undefined {
    if (from !== 'otherNetworks') return { kind: from };
    for (const { id, bridge, subnets } of this.view.networks()) {
      if (id === port.network.id) continue;
      const subnet = subnets.map(parseCidr).find((each) => each?.family === port.host.family);
      const address = subnet && otherAddress(subnet);
      if (address !== undefined) return { kind: 'address', address, interface: bridge };
    }
    return undefined;
  }

  async #follow(from: Place, port: PortItem): Promise<{ answer: PortReach[From]; words?: string }> {
    const { host, protocol, network, path } = port;
    const address = parseIp(host.address);
    const given: Pick<Destination, 'place'> =
      address === undefined || isUnspecified(address)
        ? {}
        : { place: { kind: 'address', address } };
    const to = { ...given, protocol: protocolNumber[protocol], port: host.port };
    const family = address === undefined ? host.family : familyOf(address);
    const packet = await this.#resolver.packet({ from, to, family, sourcePort: 40_000 });
    const { tables, unread } = this.rules[packet.family];
    const explanation = await explainHere(tables, packet, this.host, this.#answers);
    const [first] = explanation.alternatives;
    const end = commonEnd(explanation);
    const hidden = unseen(unread, explanation);
    if (first !== undefined && refusedAnyway(explanation) !== undefined) {
      return { answer: 'no', words: endWords(first).join(' ').replaceAll(/ +/g, ' ') };
    }
    if (end === undefined || first === undefined || hidden.length > 0) {
      const words = hidden.length > 0 ? hidden.join('; ') : 'conditions that cannot be known here';
      return { answer: 'depends', words: `depends on ${words}` };
    }
    if (end.kind === 'sent' && end.outInterface === network.bridge) return { answer: 'rules' };
    if (end.kind === 'host' && path !== 'none') return { answer: 'proxy' };
    return { answer: 'no', words: endWords(first).join(' ').replaceAll(/ +/g, ' ') };
  }
}
