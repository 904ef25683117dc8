/**
 * Learns how the host's own iptables writes rules, shape by shape, so that we can write the same bytes without
 * it. Until a shape is known, its rules are written by iptables-restore.
 */

import type { ReportedRule } from '../../codec/nf-tables/nft-rule-messages.js';
import { renderProbe } from '../../codec/nf-tables/rule-probe.js';
import { RuleTemplate } from '../../codec/nf-tables/rule-template.js';
import type { Family } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import { examples, probeRules } from '../../core/rules/probe-rules.js';
import { probeChains, type Rule, type Table, tables } from '../../core/rules/rule.js';
import { type ShapedRule, shapeOf } from '../../core/rules/rule-shape.js';
import type { Log } from '../../driver/host.js';

/** Runs the host's iptables; tests have a fake. */
export interface Probe {
  /** Changes with the program behind `iptables-restore`; undefined if it is not the nf_tables one. */
  program(family: Family): string | undefined;
  /** Gives it the text, and answers with the rules that the kernel reports meanwhile, also other programs'. */
  run(family: Family, text: string): Promise<readonly ReportedRule[]>;
}

/** Shapes in one transaction, with three rules each. */
const shapesAtOnce = 40;
/** A shape that has failed so often is left to iptables-restore until the program behind it changes. */
const mostAttempts = 3;

interface FamilyShapes {
  program: string | undefined;
  readonly templates: Map<string, RuleTemplate>;
  readonly failures: Map<string, number>;
}

export class RuleLearning {
  readonly #families: Readonly<Record<Family, FamilyShapes>> = { 4: noShapes(), 6: noShapes() };
  #working: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly probe: Probe,
    private readonly log: Log,
  ) {}

  /**
   * Call it before a commit: what was learnt from another program is forgotten. False if rules of the family
   * cannot be written to nf_tables.
   */
  follow(family: Family): boolean {
    const shapes = this.#families[family];
    const program = this.probe.program(family);
    if (program !== shapes.program) {
      shapes.program = program;
      shapes.templates.clear();
      shapes.failures.clear();
    }
    return program !== undefined;
  }

  /** The kernel's bytes of the rule as the host's iptables would write it; undefined if that is not known. */
  expressions(rule: Rule): Buffer | undefined {
    const shaped = shapeOf(rule);
    if (shaped === undefined) return undefined;
    return this.#families[rule.family].templates.get(shaped.shape)?.fill(shaped.values);
  }

  /** How many shapes are known. */
  get count(): number {
    return this.#families[4].templates.size + this.#families[6].templates.size;
  }

  /**
   * Learns the shapes of these rules that are not known yet; calls wait for each other. Only for tables that
   * exist: iptables makes those which are missing.
   */
  learn(rules: readonly Rule[]): Promise<void> {
    const learnt = this.#working.then(() => this.#learn(rules));
    this.#working = learnt;
    return learnt;
  }

  async #learn(rules: readonly Rule[]): Promise<void> {
    for (const family of [4, 6] as const) {
      if (!this.follow(family)) continue;
      for (const table of tables) {
        const unknown = this.#unknown(
          rules.filter((one) => one.family === family && one.table === table),
        );
        for (let at = 0; at < unknown.length; at += shapesAtOnce) {
          await this.#learnTogether(family, table, unknown.slice(at, at + shapesAtOnce));
        }
      }
    }
  }

  /** A rule of each shape that is worth an attempt. */
  #unknown(rules: readonly Rule[]): Rule[] {
    const unknown = new Map<string, Rule>();
    for (const rule of rules) {
      const shape = shapeOf(rule)?.shape;
      const { templates, failures } = this.#families[rule.family];
      if (shape === undefined || templates.has(shape)) continue;
      if ((failures.get(shape) ?? 0) < mostAttempts) unknown.set(shape, rule);
    }
    return [...unknown.values()];
  }

  /** One transaction; if iptables refuses it, one for each shape, so that only the refused one stays unknown. */
  async #learnTogether(family: Family, table: Table, rules: readonly Rule[]): Promise<void> {
    const failure = await this.#try(family, table, rules);
    if (failure === undefined) return;
    if (rules.length > 1) {
      for (const rule of rules) await this.#learnTogether(family, table, [rule]);
      return;
    }
    for (const rule of rules) this.#fail(rule, failure);
  }

  /** Answers with what went wrong. */
  async #try(family: Family, table: Table, rules: readonly Rule[]): Promise<string | undefined> {
    const { program } = this.#families[family];
    const written = rules.flatMap(probeRules);
    let reported: readonly ReportedRule[];
    try {
      const all = await this.probe.run(family, renderProbe(table, written));
      reported = all.filter(
        (one) => one.family === family && one.table === table && one.chain === probeChains[0],
      );
    } catch (error) {
      return messageOf(error);
    }
    if (this.probe.program(family) !== program) return 'iptables was replaced meanwhile';
    if (reported.length !== written.length) {
      return `the kernel reported ${reported.length} of ${written.length} rules`;
    }
    const { templates } = this.#families[family];
    rules.forEach((rule, index) => {
      const from = index * examples.length;
      const known = examples.map((example) => ({
        values: shapeOf(written[from + example] as Rule)?.values ?? [],
        expressions: reported[from + example]?.expressions ?? Buffer.alloc(0),
      }));
      const template = RuleTemplate.learn(known);
      const { shape } = shapeOf(rule) as ShapedRule;
      if (template !== undefined) templates.set(shape, template);
      else this.#fail(rule, 'its bytes are not understood');
    });
    return undefined;
  }

  #fail(rule: Rule, reason: string): void {
    const { shape } = shapeOf(rule) as ShapedRule;
    const { failures } = this.#families[rule.family];
    const failed = (failures.get(shape) ?? 0) + 1;
    failures.set(shape, failed);
    this.log.debug(
      { family: rule.family, shape, reason },
      'it is not known how iptables writes a kind of rule; iptables-restore writes it',
    );
  }
}

const noShapes = (): FamilyShapes => ({
  program: undefined,
  templates: new Map(),
  failures: new Map(),
});
