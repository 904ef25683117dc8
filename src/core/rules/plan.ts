/** An edit and the model of a family's rules → the changes, in order. */

import { staysInPlace } from './disorder.js';
import {
  type Chain,
  type DockerChain,
  type OwnedChain,
  ownedChains,
  type PlacedRule,
  type Rule,
  type Table,
} from './rule.js';
import type { RuleChange, RuleSet } from './rule-set.js';

/** How many rules are compared between two yields of {@link planInSteps}. */
const stepSize = 200;

/** The chains and rules that all networks share. */
export interface BaseRules {
  readonly chains: readonly { readonly table: Table; readonly chain: DockerChain | OwnedChain }[];
  readonly rules: readonly PlacedRule[];
}

/** What one call or repair does to the rules of one family. Additions come first. */
export interface RuleEdit {
  readonly add: readonly PlacedRule[];
  readonly remove: readonly Rule[];
  /** Those of `add` that are in the wrong place: all their copies are deleted first. */
  readonly relocate?: readonly Rule[];
  /** Deleted with all copies. */
  readonly stale?: readonly Rule[];
  /** Base rules of other generations: deleted as far as no other program uses them. */
  readonly dropBase?: readonly BaseRules[];
  /** Groups of chains that go if nothing of an option is left in them. */
  readonly dropUnused?: readonly BaseRules[];
  /** The policy of FORWARD shall be DROP. */
  readonly dropForwarded?: true;
}

/**
 * Changes that carry out `base` and `edit`, given `model`; none for what exists already. They are
 * applied to `model`, too, so that the next edit can be planned on top of this one.
 *
 * Of a chain's anchors (the jumps that must stay above our rules) none is moved as long as their
 * order is right and none of ours stands above them: whatever others put between or before them
 * keeps its place.
 *
 * @param groups of which some may be on the host without being in `base`: their anchors stay on top, too
 *
 * Yields after every few hundred rules; no other plan may use `model` until it has returned.
 */
export function* planInSteps(
  model: RuleSet,
  base: BaseRules,
  edit: RuleEdit,
  groups: readonly BaseRules[] = [],
): Generator<void, RuleChange[]> {
  const changes: RuleChange[] = [];
  const commit = (next: readonly RuleChange[]): void => {
    changes.push(...next);
    model.apply(next);
  };
  if (edit.add.length > 0) {
    for (const { table, chain } of base.chains) {
      if (!model.hasChain(table, chain)) commit([{ op: 'create-chain', table, chain }]);
    }
    const anchors = anchorsOf(base);
    commit(copies(model, edit.relocate ?? []));
    const tops = [...anchors, ...groups.flatMap(anchorsOf)];
    let compared = 0;
    for (const placed of [...base.rules, ...edit.add.filter(staysInPlace)]) {
      compared += 1;
      if (compared % stepSize === 0) yield;
      commit(secondCopies(model, placed));
    }
    commit(misplacedAnchors(model, anchors, edit.add));
    for (const { rule, place } of [...base.rules, ...edit.add]) {
      compared += 1;
      if (compared % stepSize === 0) yield;
      if (model.has(rule)) continue;
      if (place === 'end') commit([{ op: 'append', rule }]);
      else {
        const above = (place === 'anchor' ? anchors : tops).filter(sameChainAs(rule));
        const until = place === 'anchor' ? above.indexOf(rule) : above.length;
        commit([{ op: 'insert', rule, ...below(model, above.slice(0, until)) }]);
      }
    }
  }
  commit(deletions(model, edit.remove));
  commit(copies(model, edit.stale ?? []));
  for (const former of edit.dropBase ?? []) commit(unusedBase(model, base, former));
  for (const group of edit.dropUnused ?? []) commit(unusedGroup(model, base, group));
  if (edit.dropForwarded && model.policy('filter', 'FORWARD') !== 'DROP') {
    commit([{ op: 'policy', table: 'filter', chain: 'FORWARD', policy: 'DROP' }]);
  }
  return changes;
}

function anchorsOf({ rules }: BaseRules): Rule[] {
  return rules.filter(({ place }) => place === 'anchor').map(({ rule }) => rule);
}

/**
 * Deletes second copies of a rule. An engine that starts, or makes a network, deletes its jumps and adds
 * them on top again: if the daemon has repaired one in between, there are two. A plain deletion would take
 * the upper copy, and rules of others that stand between the two would then come before the jump.
 *
 * Of a rule that belongs at the end of a chain of our own, all copies are deleted: an upper one decides before the
 * exceptions that stand in the chain. The plan then adds the rule again below these.
 */
function secondCopies(model: RuleSet, { rule, place }: PlacedRule): RuleChange[] {
  const count = model.count(rule);
  if (count < 2) return [];
  const deletions = Array.from({ length: count }, (): RuleChange => ({ op: 'delete', rule }));
  if (place === 'end' && ownedChains.some((own) => own === rule.chain)) return deletions;
  return [...deletions, { op: 'insert', rule, position: model.positionOf(rule) ?? 0 }];
}

/**
 * Deletes the anchors that stand below a later anchor or below a rule of ours; the plan then adds them again
 * above.
 */
function misplacedAnchors(
  model: RuleSet,
  anchors: readonly Rule[],
  ours: readonly PlacedRule[],
): RuleChange[] {
  const changes: RuleChange[] = [];
  for (const first of anchors.filter(
    (anchor, index) => anchors.findIndex(sameChainAs(anchor)) === index,
  )) {
    const own = new Set<string>(
      ours.filter(({ rule }) => sameChain(rule, first)).map(({ rule }) => rule.text),
    );
    let limit = model.rules(first.table, first.chain).findIndex((text) => own.has(text));
    if (limit < 0) limit = Number.POSITIVE_INFINITY;
    for (const anchor of anchors.filter(sameChainAs(first)).reverse()) {
      const position = model.positionOf(anchor);
      if (position === undefined) continue;
      if (position > limit) changes.push({ op: 'delete', rule: anchor });
      else limit = position;
    }
  }
  return changes;
}

/**
 * Chains in which others have put rules stay, with the jumps that lead there; and DOCKER-USER is
 * the administrator's.
 */
function unusedBase(model: RuleSet, base: BaseRules, former: BaseRules): RuleChange[] {
  const own = new Set(former.rules.map(({ rule }) => idOf(rule)));
  const wanted = new Set(base.rules.map(({ rule }) => idOf(rule)));
  const dropped = former.chains.filter(
    ({ table, chain }) =>
      model.hasChain(table, chain) &&
      !base.chains.some((kept) => kept.table === table && kept.chain === chain),
  );
  const [unused, used] = partition(
    dropped,
    ({ table, chain }) =>
      chain !== 'DOCKER-USER' &&
      model.rules(table, chain).every((text) => own.has(`${table} ${chain} ${text}`)),
  );
  const rules = former.rules
    .map(({ rule }) => rule)
    .filter((rule) => !wanted.has(idOf(rule)))
    .filter(
      ({ table, chain, target }) =>
        !used.some(
          (kept) =>
            kept.table === table &&
            (kept.chain === chain ||
              (typeof target === 'object' && 'jump' in target && target.jump === kept.chain)),
        ),
    );
  return [
    ...deletions(model, rules),
    ...unused.map(({ table, chain }): RuleChange => ({ op: 'delete-chain', table, chain })),
  ];
}

/**
 * Removes a group in whose chains nothing but its own base rules is left. Chains that another program has put a rule in
 * stay, and so does the way there; so do chains to which other rules still jump: an administrator's, or those of a network
 * whose removal comes next. The kernel deletes no chain that is jumped to, and would refuse the whole change.
 */
function unusedGroup(model: RuleSet, base: BaseRules, group: BaseRules): RuleChange[] {
  const { chains, rules } = group;
  const isNeeded = chains.some(({ table, chain }) =>
    base.chains.some((needed) => needed.table === table && needed.chain === chain),
  );
  if (isNeeded) return [];
  const there = chains.filter(({ table, chain }) => model.hasChain(table, chain));
  if (there.length === 0) return [];
  const own = new Set<string>(rules.map(({ rule }) => `${rule.table} ${rule.chain} ${rule.text}`));
  const isUnused = there.every(({ table, chain }) =>
    model.rules(table, chain).every((text) => own.has(`${table} ${chain} ${text}`)),
  );
  if (!isUnused || there.some((each) => isJumpedTo(model, each, own))) return [];
  return [
    ...rules.flatMap(({ rule }) =>
      Array.from({ length: model.count(rule) }, (): RuleChange => ({ op: 'delete', rule })),
    ),
    ...there.map(({ table, chain }): RuleChange => ({ op: 'delete-chain', table, chain })),
  ];
}

/**
 * Whether a rule outside of the chain's own group leads to the chain.
 *
 * @param own rules of the group, which go with it, each as `TABLE CHAIN TEXT`
 */
function isJumpedTo(
  model: RuleSet,
  { table, chain }: BaseRules['chains'][number],
  own: ReadonlySet<string>,
): boolean {
  return model
    .chains(table)
    .some((from) =>
      model
        .rules(table, from as Chain)
        .some((text) => leadsTo(text, chain) && !own.has(`${table} ${from} ${text}`)),
    );
}

/** iptables writes a rule's target behind its matches, and a jump has no options. */
const leadsTo = (text: string, chain: string): boolean =>
  text.endsWith(`-j ${chain}`) || text.endsWith(`-g ${chain}`);

function copies(model: RuleSet, rules: readonly Rule[]): RuleChange[] {
  const seen = new Set<string>();
  return rules.flatMap((rule): RuleChange[] => {
    if (seen.has(idOf(rule))) return [];
    seen.add(idOf(rule));
    return Array.from({ length: model.count(rule) }, () => ({ op: 'delete', rule }));
  });
}

function partition<T>(values: readonly T[], test: (value: T) => boolean): [T[], T[]] {
  return [values.filter(test), values.filter((value) => !test(value))];
}

const idOf = (rule: Rule): string => `${rule.table} ${rule.chain} ${rule.text}`;

function deletions(model: RuleSet, rules: readonly Rule[]): RuleChange[] {
  // By table and chain, since a joined key would need a new string for each of 60,000 rules.
  const seen = new Map<Table, Map<string, Set<string>>>();
  const there = rules.filter((rule) => {
    if (!model.has(rule)) return false;
    const chains = seen.get(rule.table) ?? new Map<string, Set<string>>();
    seen.set(rule.table, chains);
    const texts = chains.get(rule.chain) ?? new Set<string>();
    chains.set(rule.chain, texts);
    const isFirst = !texts.has(rule.text);
    texts.add(rule.text);
    return isFirst;
  });
  return model.fromTop(there).map((rule) => ({ op: 'delete', rule }));
}

const sameChain = (a: Rule, b: Rule): boolean => a.table === b.table && a.chain === b.chain;
const sameChainAs =
  (rule: Rule) =>
  (other: Rule): boolean =>
    sameChain(rule, other);

/** The first position below all of these rules that are there, and the one that is right above it. */
function below(
  model: RuleSet,
  rules: readonly Rule[],
): { readonly position: number; readonly below?: Rule } {
  let lowest: { readonly position: number; readonly below?: Rule } = { position: 0 };
  for (const rule of rules) {
    const position = (model.positionOf(rule) ?? -1) + 1;
    if (position > lowest.position) lowest = { position, below: rule };
  }
  return lowest;
}
