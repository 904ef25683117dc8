/** Counts the commits of a rule backend, whatever kind it is: their family, size, duration and outcome. */
import type { Family } from '../../core/address.js';
import type { Rule, Table } from '../../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../../core/rules/rule-set.js';
import type { RuleBackend, RuleTransport } from '../host.js';
import type { Telemetry } from '../telemetry.js';

export class MeasuredBackend implements RuleBackend {
  /** @param nameOf the transport of the family's last commit: a backend that falls back on another has two */
  constructor(
    private readonly backend: RuleBackend,
    private readonly nameOf: (family: Family) => RuleTransport,
    private readonly telemetry: Telemetry,
  ) {}

  async commit(family: Family, changes: readonly RuleChange[]): Promise<void> {
    const began = performance.now();
    let ok = false;
    try {
      await this.backend.commit(family, changes);
      ok = true;
    } finally {
      const durationMs = performance.now() - began;
      const counted = {
        family,
        backend: this.nameOf(family),
        ok,
        changes: changes.length,
        durationMs,
      };
      this.telemetry.tell({ kind: 'commit', ...counted });
    }
  }

  supports(family: Family): boolean {
    return this.backend.supports(family);
  }

  read(family: Family): Promise<RuleSet> {
    return this.backend.read(family);
  }

  foresee(rules: readonly Rule[]): void {
    this.backend.foresee(rules);
  }

  engineStarted(): void {
    this.backend.engineStarted();
  }

  problems(family: Family): string[] {
    return this.backend.problems(family);
  }

  missingTables(family: Family): ReadonlySet<Table> {
    return this.backend.missingTables(family);
  }
}
