/**
 * The chains of the table by which `tsbridge trace` has the kernel trace packets. Those in front of everybody else's chains
 * at a hook and those behind them show, by the kernel's reports, how far a traced packet came.
 */
import { type Hook, hooks } from '../explain/path/hooks.js';

/** The table's name goes on with the netlink port of its socket, so that two traces at a time have a table each. */
export const tracePrefix = 'tsbridge-trace-';

/** The kernel's numbers of the hooks: NF_INET_PRE_ROUTING and the others. */
export const hookNumber: Readonly<Record<Hook, number>> = {
  ...{ PREROUTING: 0, INPUT: 1, FORWARD: 2, OUTPUT: 3, POSTROUTING: 4 },
};

/** Priority of the chains in front: before table raw (-300), behind the kernel's own defragmentation (-400). */
const first = -350;
/** Priority of the chains that look for answers: behind connection tracking (-200), which knows what a packet answers. */
const tracked = -199;
/** Priority of the chains at the end: just before the kernel's own last step, which confirms the flow (2^31 - 1). */
const last = 0x7fff_fff0;

export interface HookChain {
  readonly name: string;
  readonly hook: Hook;
  readonly priority: number;
}

export const startName = (hook: Hook): string => `${hook.toLowerCase()}-start`;
export const endName = (hook: Hook): string => `${hook.toLowerCase()}-end`;
export const replyName = (hook: Hook): string => `${hook.toLowerCase()}-replies`;

/** The hooks by which packets come into the rules: a trace begins at one of these. */
export const entries = ['PREROUTING', 'OUTPUT'] as const satisfies readonly Hook[];

/**
 * At which hooks the trace has chains of its own. `every-hook`: in front and behind at each hook. `ends`: in front only
 * where packets begin, and behind at each hook; this is enough if all rules are of nf_tables, since the kernel reports the
 * chains of others that a packet meets in between.
 */
export type TracedHooks = 'every-hook' | 'ends';

/**
 * Each chain costs every packet that passes its hook about 40 ns, so there are no more than are needed. FORWARD has none at
 * its end: a packet that came through FORWARD is at POSTROUTING at once, with no routing between the two.
 */
export const hookChains = (replies: boolean, tracedHooks: TracedHooks): readonly HookChain[] => [
  ...hooks.flatMap((hook): HookChain[] => [
    ...(tracedHooks === 'every-hook' || entries.some((entry) => entry === hook)
      ? [{ name: startName(hook), hook, priority: first }]
      : []),
    ...(hook === 'FORWARD' ? [] : [{ name: endName(hook), hook, priority: last }]),
  ]),
  ...(replies
    ? entries.map((hook): HookChain => ({ name: replyName(hook), hook, priority: tracked }))
    : []),
];

/**
 * Chains without a hook, which others enter with `goto`: `asked` and `replies` look at TCP's flags, then `marked` and
 * `answers` count the packet and begin its trace.
 */
export const inner = {
  asked: 'asked',
  marked: 'marked',
  replies: 'replies',
  answers: 'answers',
} as const;

/** How far a packet came: to the chains in front at a hook (`start`), or through all chains there (`end`). */
export interface Passage {
  readonly hook: Hook;
  readonly at: 'start' | 'end';
}

/** What a report of this chain of the table says; undefined: the chain stands at neither end of a hook. */
export function passageOf(chain: string): Passage | undefined {
  const [name = '', at] = chain.split('-');
  const hook = hooks.find((each) => each === name.toUpperCase());
  return hook !== undefined && (at === 'start' || at === 'end') ? { hook, at } : undefined;
}
