/** Tells at which hook a traced packet met each rule, and what became of it. */
import { type Hook, hooks } from '../explain/path/hooks.js';
import type { Passage } from './chains.js';
import type { TraceEvent } from './event.js';
import type { ReportedPacket, ReportedStep } from './packets.js';

/** A report of a rule or a chain's end that is not of the trace's own table, and the hook at which the packet met it. */
export interface TracedStep {
  readonly hook: Hook;
  readonly event: TraceEvent;
}

/** What became of a packet, as far as the kernel reported it. */
export type TracedEnd =
  | { readonly kind: 'dropped'; readonly step: TracedStep }
  /** A rule handed the packet to a program, which decides. */
  | { readonly kind: 'queued'; readonly step: TracedStep }
  /** Every rule at hook INPUT let the packet through: it is for this host. */
  | { readonly kind: 'host' }
  /** Every rule at hook POSTROUTING let the packet through: it leaves the host. */
  | { readonly kind: 'sent' }
  /** No rule dropped the packet, and no report came after this place. */
  | { readonly kind: 'lost'; readonly after: Passage };

export interface TracedPacket extends Omit<ReportedPacket, 'steps' | 'passed'> {
  readonly steps: readonly TracedStep[];
  readonly end: TracedEnd;
}

/** The hook of the event's chain, by the listing of chains; undefined for a chain that is no base chain or was not there when they were listed. */
export type HookOf = (event: TraceEvent) => Hook | undefined;

/** Adds to each step its hook, which the kernel's reports do not name, and tells how the packet ended. */
export function placed(
  { steps: reported, passed, ...packet }: ReportedPacket,
  hookOf: HookOf,
): TracedPacket {
  const steps: TracedStep[] = [];
  for (const [at, step] of reported.entries()) {
    const before = reported[at - 1]?.passed === step.passed ? steps.at(-1)?.hook : undefined;
    steps.push({ hook: hookOfStep(step, before, hookOf), event: step.event });
  }
  const [last] = steps.slice(-1);
  const isLatest = reported.at(-1)?.passed === passed;
  return { ...packet, steps, end: endOf(last, isLatest, passed) };
}

/** @param before the hook of the step before, if the packet met no chain of the trace between the two */
function hookOfStep(
  { passed, event }: ReportedStep,
  before: Hook | undefined,
  hookOf: HookOf,
): Hook {
  if (passed.at === 'start') return passed.hook;
  // A chain that others enter by a jump has no hook of its own: it is met where the one before it was.
  return hookOf(event) ?? builtIn(event) ?? before ?? hookBehind(passed.hook, event);
}

/** The hook of a built-in chain of iptables, which is called like its hook. */
const builtIn = ({ chain }: TraceEvent): Hook | undefined => hooks.find((each) => each === chain);

/** The hook to which a packet comes after it has passed all chains of `hook`. */
function hookBehind(hook: Hook, { out }: TraceEvent): Hook {
  if (hook === 'PREROUTING') return out === undefined ? 'INPUT' : 'FORWARD';
  return hook === 'OUTPUT' ? 'POSTROUTING' : hook;
}

/** @param isLatest whether the packet met no chain of the trace after the last step */
function endOf(last: TracedStep | undefined, isLatest: boolean, passed: Passage): TracedEnd {
  if (last !== undefined && isLatest) {
    const { verdict } = last.event;
    if (verdict === 'drop') return { kind: 'dropped', step: last };
    if (verdict === 'queue' || verdict === 'stolen') return { kind: 'queued', step: last };
  }
  if (passed.at === 'end' && passed.hook === 'INPUT') return { kind: 'host' };
  if (passed.at === 'end' && passed.hook === 'POSTROUTING') return { kind: 'sent' };
  const isFurther = last !== undefined && isLatest && last.hook !== passed.hook;
  return { kind: 'lost', after: isFurther ? { hook: last.hook, at: 'start' } : passed };
}
