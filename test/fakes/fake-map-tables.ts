/** Our tables of nf_tables in memory: they refuse what the kernel refuses, all or nothing. */
import type { Family } from '../../src/core/address.js';
import { DriverError } from '../../src/core/errors.js';
import { type Element, elementText, keyText } from '../../src/core/port-map/elements.js';
import type { MapChange, ObservedMap } from '../../src/core/port-map/plan.js';
import type { MapTables } from '../../src/driver/host.js';
import type { Faults } from './faults.js';

export class FakeMapTables implements MapTables {
  /** By the text of their keys. */
  readonly tables = new Map<Family, Map<string, Element>>();
  /** Families whose rules someone has changed. */
  readonly damaged = new Set<Family>();
  legacy = false;

  constructor(private readonly faults: Faults) {}

  obstacle(): string | undefined {
    return this.legacy ? 'this host uses iptables-legacy:' : undefined;
  }

  async read(family: Family): Promise<ObservedMap> {
    const table = this.tables.get(family);
    if (table === undefined) return undefined;
    if (this.damaged.has(family)) return { intact: false, elements: new Map() };
    return { intact: true, elements: new Map([...table.values()].map((e) => [elementText(e), e])) };
  }

  async commit(family: Family, change: MapChange): Promise<void> {
    this.faults.check(`maps.${change.op}`);
    if (change.op === 'remove') {
      this.tables.delete(family);
      return;
    }
    const before = change.op === 'make' ? new Map<string, Element>() : this.tables.get(family);
    if (before === undefined) throw new DriverError('firewall-failed', 'no table (ENOENT)');
    const table = new Map(before);
    for (const element of change.op === 'make' ? [] : change.remove) {
      if (!table.delete(keyText(element))) {
        throw new DriverError('firewall-failed', `no ${keyText(element)} (ENOENT)`);
      }
    }
    for (const element of change.op === 'make' ? change.elements : change.add) {
      const there = table.get(keyText(element));
      if (there !== undefined && elementText(there) !== elementText(element)) {
        throw new DriverError('firewall-failed', `${keyText(element)} leads elsewhere (EEXIST)`);
      }
      table.set(keyText(element), element);
    }
    if (change.op === 'make') this.damaged.delete(family);
    this.tables.set(family, table);
  }

  /** What the tables hold, line by line. */
  dump(): string[] {
    return [...this.tables]
      .flatMap(([family, table]) => [
        `IPv${family}`,
        ...[...table.values()].map((element) => `IPv${family} ${elementText(element)}`),
      ])
      .sort();
  }
}
