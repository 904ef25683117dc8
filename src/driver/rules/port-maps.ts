/**
 * The tables of networks with `tsbridge.port_rules=map`: made with the first such network of a family, removed with the
 * last one, and in between changed by elements. A call writes its own elements without reading anything. If the kernel
 * refuses that, the table is not as the daemon left it, and all of it is compared. Whoever has deleted the table may
 * have deleted the rules that guard ports, too (`tsbridge.publish_from`): then a call does not add guarded ports of
 * others. The repair adds them, once it has written their guards.
 */
import type { Family } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import { isGuarded } from '../../core/generations/own-options/passage.js';
import { parseInterfaceName } from '../../core/names.js';
import type { NetworkSpec } from '../../core/network/network.js';
import { passageOf } from '../../core/network/passage.js';
import {
  bridgeElement,
  bridgeElements,
  type Element,
  elementText,
  mapFamilies,
  portElements,
} from '../../core/port-map/elements.js';
import { changeLines, type MapChange, planMap } from '../../core/port-map/plan.js';
import { portMapTable } from '../../core/rules/chains/own-chains.js';
import { Yielding } from '../../yielding.js';
import type { MappedPorts, MapRepair, MapScope, PublishedPorts } from '../firewall.js';
import type { Log, MapTables, RuleBackend } from '../host.js';
import { hostPortsOf, portsToWrite, type Registry } from '../state/registry.js';

const families: readonly Family[] = [4, 6];

/** Which elements of guarded ports may be added: all, or only those of one call, whose guards are there. */
type Guarded = 'all' | readonly Element[];

export class PortMaps implements MappedPorts {
  #refused: () => void = () => {};
  /** The families whose table was there after our last change; undefined: nobody has looked yet. */
  readonly #present = new Map<Family, boolean>();
  /** The last piece of work of each family: the next one waits for it. */
  readonly #last = new Map<Family, Promise<unknown>>();

  /**
   * @param writes whether rules of the family are written now
   * @param isOff whether settings say that none are (`--iptables=false`, `--ip6tables=false`)
   */
  constructor(
    private readonly tables: MapTables,
    private readonly backend: Pick<RuleBackend, 'read' | 'supports'>,
    private readonly writes: (family: Family) => boolean,
    private readonly registry: Registry,
    private readonly log: Log,
    private readonly isOff: (family: Family) => boolean = () => false,
  ) {}

  /** @throws {DriverError} `options-invalid` if this host cannot have what the network asks for */
  check(network: NetworkSpec): void {
    for (const family of mapFamilies(network)) {
      const reason = this.backend.supports(family)
        ? this.tables.obstacle(family)
        : family === 4
          ? 'no rules are written on this host (--iptables=false, or no iptables):'
          : undefined;
      if (reason === undefined) continue;
      throw new DriverError(
        'options-invalid',
        `tsbridge.port_rules=map: ${reason} leave the option out`,
      );
    }
  }

  /**
   * Called when the network's rules are there. Also a network without the option has elements: its containers are
   * spared, as chain DOCKER spares them.
   */
  async addNetwork(network: NetworkSpec): Promise<void> {
    for (const family of this.#families()) {
      if (this.#present.get(family) === true) {
        await this.#change(family, { add: bridgeElements(network, family), remove: [] });
      } else if (mapFamilies(network).includes(family)) await this.#inTurn(family);
    }
  }

  async removeNetwork(network: NetworkSpec): Promise<void> {
    for (const family of this.#families()) {
      if (this.#present.get(family) === false) continue;
      const isMapped = mapFamilies(network).includes(family);
      if (isMapped && !this.#isWanted(family)) await this.#inTurn(family);
      else if (this.#present.get(family) === true) {
        await this.#change(family, { add: [], remove: bridgeElements(network, family) });
      }
    }
  }

  async addPorts(network: NetworkSpec, ports: PublishedPorts): Promise<void> {
    for (const [family, add] of this.#byFamily(network, ports)) {
      await this.#change(family, { add, remove: [] });
    }
  }

  /** @param kept ports that the endpoint goes on publishing; an element that one of them needs stays */
  async removePorts(
    network: NetworkSpec,
    ports: PublishedPorts,
    kept: PublishedPorts,
  ): Promise<void> {
    const stay = new Set(
      [...this.#byFamily(network, kept).values()].flatMap((some) => some.map(elementText)),
    );
    for (const [family, elements] of this.#byFamily(network, ports)) {
      const remove = elements.filter((each) => !stay.has(elementText(each)));
      await this.#change(family, { add: [], remove });
    }
  }

  async repair(family: Family, scope: MapScope): Promise<MapRepair> {
    if (this.isOff(family)) return this.#after(family, () => this.#takeAway(family, scope));
    if (!this.#families().includes(family)) return { lines: [] };
    const guarded = scope === 'unguarded' ? [] : 'all';
    return this.#after(family, () => this.#compare(family, guarded, scope === 'nothing'));
  }

  /** @param listener called when a call has found the table changed by others: a repair may have to add the rest */
  onRefusal(listener: () => void): void {
    this.#refused = listener;
  }

  #families(): Family[] {
    return families.filter(
      (family) => !this.isOff(family) && this.writes(family) && this.backend.supports(family),
    );
  }

  /**
   * Removes the table that a daemon with other settings has left: without rules nobody keeps it right, and its elements
   * would still lead to containers. A table that is not exactly as we make it may be another program's: it stays, and a
   * message tells of it.
   */
  async #takeAway(family: Family, scope: MapScope): Promise<MapRepair> {
    // A kernel without nf_tables has no table.
    const observed = await this.tables.read(family).catch(() => undefined);
    if (observed === undefined) return { lines: [] };
    const change = { op: 'remove' } as const;
    const lines = changeLines(family, change);
    if (!observed.intact) {
      const way = `nft delete table ${family === 4 ? 'ip' : 'ip6'} ${portMapTable}`;
      const text = `no rules are written, and a table of the name of ours is there: ${way}`;
      if (scope !== 'nothing') this.log.warn({ family }, text);
      return { lines: scope === 'nothing' ? [text] : [] };
    }
    if (scope !== 'nothing') await this.tables.commit(family, change);
    return { change, lines };
  }

  /** Whether a network that is to stay has ports in the map. */
  #isWanted(family: Family): boolean {
    return this.registry
      .networks()
      .some(
        ({ spec, record }) => record.phase !== 'removing' && mapFamilies(spec).includes(family),
      );
  }

  #byFamily(
    network: NetworkSpec,
    { bindings, added = [] }: PublishedPorts,
  ): Map<Family, Element[]> {
    const byFamily = new Map<Family, Element[]>();
    if (network.portRules !== 'map') return byFamily;
    const all = [bindings, ...added.map((each) => each.bindings)].flat();
    const mine = this.#families();
    for (const family of mapFamilies(network)) {
      if (!mine.includes(family)) continue;
      const elements = portElements(network, all, family);
      if (elements.length > 0) byFamily.set(family, elements);
    }
    return byFamily;
  }

  async #change(
    family: Family,
    { add, remove }: Omit<Extract<MapChange, { op: 'change' }>, 'op'>,
  ): Promise<void> {
    if (add.length + remove.length === 0) return;
    await this.#after(family, async () => {
      try {
        await this.tables.commit(family, { op: 'change', add, remove });
      } catch (error) {
        this.log.info(
          { family, error: messageOf(error) },
          'the map of ports is not as it was left; comparing all of it',
        );
        await this.#compare(family, add);
        this.#refused();
      }
    });
  }

  /** Compares the table when its turn comes, for a call that writes no port: guarded ports are not added. */
  #inTurn(family: Family): Promise<MapRepair> {
    return this.#after(family, () => this.#compare(family, []));
  }

  #after<T>(family: Family, work: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(family) ?? Promise.resolve()).then(work);
    this.#last.set(
      family,
      done.catch(() => undefined),
    );
    return done;
  }

  /**
   * Makes the table what it should be.
   *
   * @param guarded elements of guarded ports that may be added; others are not added, and stay if they are there
   *   already
   */
  async #compare(family: Family, guarded: Guarded, dryRun = false): Promise<MapRepair> {
    const isWanted = this.#isWanted(family);
    const observed = await this.tables.read(family).catch((error) => {
      // A kernel without nf_tables has no table to take away.
      if (!isWanted) return undefined;
      throw error;
    });
    const underway = new Set<string>();
    const mayAdd = (text: string): boolean =>
      guarded === 'all' ||
      observed?.elements.has(text) === true ||
      guarded.some((each) => elementText(each) === text);
    const wanted = isWanted ? await this.#wanted(family, underway, mayAdd) : undefined;
    const change = planMap(wanted, observed);
    if (!dryRun) {
      if (change !== undefined) await this.tables.commit(family, change);
      this.#present.set(family, isWanted);
    }
    if (change === undefined) return { lines: [] };
    if (change.op !== 'change') return { change, lines: changeLines(family, change) };
    const told = (some: readonly Element[]): Element[] =>
      some.filter((each) => !underway.has(elementText(each)));
    const lines = changeLines(family, {
      ...change,
      add: told(change.add),
      remove: told(change.remove),
    });
    return { change, lines };
  }

  /**
   * The elements that should be in the table.
   *
   * @param underway gets the elements that a call is about to write itself: a repair must not report them as missing
   * @param mayAdd whether an element of a guarded port, by its text, belongs to them
   */
  async #wanted(
    family: Family,
    underway: Set<string>,
    mayAdd: (text: string) => boolean,
  ): Promise<Map<string, Element>> {
    const wanted = new Map<string, Element>();
    const yielding = new Yielding();
    for (const name of await this.#sparedBridges(family)) {
      const bridge = parseInterfaceName(name);
      if (bridge === undefined) continue;
      const element = bridgeElement(bridge);
      wanted.set(elementText(element), element);
    }
    for (const { spec, record } of this.registry.networks()) {
      if (record.phase === 'removing') continue;
      for (const each of bridgeElements(spec, family)) wanted.set(elementText(each), each);
    }
    for (const state of this.registry.endpoints()) {
      const { spec, record } = state.network;
      if (!mapFamilies(spec).includes(family)) continue;
      if ([state.record.phase, record.phase].includes('removing')) continue;
      const ports = portElements(spec, hostPortsOf(portsToWrite(state)), family);
      const isGuardedPort = isGuarded(passageOf(spec, state.spec).publishFrom);
      for (const each of ports) {
        const text = elementText(each);
        if (isGuardedPort && !mayAdd(text)) continue;
        wanted.set(text, each);
        if (state.publishing?.stage === 'rules') underway.add(text);
      }
      await yielding.pause();
    }
    return wanted;
  }

  /** Bridges of any driver that chain DOCKER leaves out (`-i BRIDGE -j RETURN`): the map has to spare them, too. */
  async #sparedBridges(family: Family): Promise<string[]> {
    const observed = await this.backend.read(family);
    return observed
      .rules('nat', 'DOCKER')
      .flatMap((text) => /^-i (\S+) -j RETURN$/.exec(text)?.[1] ?? []);
  }
}
