/**
 * The rules of endpoints' published ports, kept once they are made: 15,000 of them take 70 ms, which
 * every repair would spend again.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Generation } from '../../core/generations/generation.js';
import {
  guardRules,
  isGuarded,
  openedPassageRules,
  type Passing,
  portPassageRules,
} from '../../core/generations/own-options/passage.js';
import type { EndpointId } from '../../core/names.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import type { NetworkSpec } from '../../core/network/network.js';
import { passageOf } from '../../core/network/passage.js';
import type { PortBinding } from '../../core/ports/port.js';
import { joinBindings, joinOpened } from '../../core/ports/runs.js';
import type { PlacedRule } from '../../core/rules/rule.js';
import { Yielding } from '../../yielding.js';
import type { PublishedPorts } from '../firewall.js';

/** The generation in whose form rules are written, and the settings of the daemon that change them. */
export interface Writer {
  readonly generation: Generation;
  readonly settings: Parameters<Generation['portRules']>[2];
}

interface MadeRules {
  readonly network: NetworkSpec;
  readonly ports: Required<PublishedPorts>;
  readonly writer: Writer;
  readonly rules: readonly PlacedRule[];
}

export class PortRules {
  readonly #made = new Map<EndpointId, MadeRules>();

  /** Of both families, in programming order. */
  async of(
    network: NetworkSpec,
    endpoint: Pick<EndpointSpec, 'id'> & Passing,
    { bindings, opened, added = [] }: PublishedPorts,
    writer: Writer,
    yielding = new Yielding(),
  ): Promise<readonly PlacedRule[]> {
    if ([bindings, opened, added].every(({ length }) => length === 0)) return [];
    const ports = { bindings, opened, added };
    const made = this.#made.get(endpoint.id);
    if (made !== undefined && isMadeOf(made, network, ports, writer)) return made.rules;
    const rules = await makePortRules(network, endpoint, ports, writer, yielding);
    this.#made.set(endpoint.id, { network, ports, writer, rules });
    return rules;
  }

  /** Keeps nothing of endpoints that are gone. */
  prune(isKnown: (id: EndpointId) => boolean): void {
    for (const id of this.#made.keys()) if (!isKnown(id)) this.#made.delete(id);
  }

  /** Call it when the endpoint has released its ports. */
  forget(endpoint: Pick<EndpointSpec, 'id'>): void {
    this.#made.delete(endpoint.id);
  }
}

/**
 * Lists of host ports: the engine's, and one for each publication. A rule for a range of ports is always about ports of
 * one list.
 */
export function portLists({
  bindings,
  added = [],
}: Pick<PublishedPorts, 'bindings' | 'added'>): (readonly PortBinding[])[] {
  return [bindings, ...added.map((each) => each.bindings)];
}

/** The same rules, made anew and not kept: for those that are only removed. */
export async function makePortRules(
  network: NetworkSpec,
  endpoint: Passing,
  { bindings, opened, added = [] }: PublishedPorts,
  { generation, settings }: Writer,
  yielding: Yielding,
): Promise<PlacedRule[]> {
  const rules: PlacedRule[] = [];
  for (const some of portLists({ bindings, added })) {
    for (const run of joinBindings(some, network.portRules)) {
      rules.push(...generation.portRules(network, run, settings));
      rules.push(...portPassageRules(network, endpoint, run));
      await yielding.pause();
    }
  }
  for (const run of joinOpened(opened, network.portRules)) {
    rules.push(...(generation.routedPortRules?.(network, run) ?? []));
    rules.push(...openedPassageRules(network, endpoint, run));
    await yielding.pause();
  }
  return rules;
}

/** The rules that keep others from host ports ({@link guardRules}). */
export function makeGuards(
  network: NetworkSpec,
  endpoint: Passing,
  bindings: readonly PortBinding[],
): PlacedRule[] {
  if (!isGuarded(passageOf(network, endpoint).publishFrom)) return [];
  return joinBindings(bindings, network.portRules).flatMap((run) =>
    guardRules(network, endpoint, run),
  );
}

/** Compares values, not identities: a copy of the ports has the same rules. */
function isMadeOf(
  made: MadeRules,
  network: NetworkSpec,
  ports: Required<PublishedPorts>,
  writer: Writer,
): boolean {
  return (
    made.writer.generation === writer.generation &&
    isDeepStrictEqual(made.writer.settings, writer.settings) &&
    isDeepStrictEqual(made.network, network) &&
    haveSame(made.ports.bindings, ports.bindings) &&
    haveSame(made.ports.opened, ports.opened) &&
    haveSame(made.ports.added, ports.added)
  );
}

function haveSame(some: readonly object[], others: readonly object[]): boolean {
  return (
    some.length === others.length &&
    some.every((each, at) => each === others[at] || isDeepStrictEqual(each, others[at]))
  );
}
