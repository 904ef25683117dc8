/** Native chains that a simulated packet passes, and that could not be read. */
import { commonEnd, type Explanation, refusedAnyway } from '../../core/explain/explain.js';
import type { NativeChain } from '../../host/look/rule-sets.js';

/** The native chains at the hooks that the packet passes, in words; none if the other rules drop the packet anyway. */
export function unseen(native: readonly NativeChain[], explanation: Explanation): string[] {
  if (refusedAnyway(explanation) !== undefined) return [];
  const end = commonEnd(explanation);
  if (end !== undefined && end.kind !== 'host' && end.kind !== 'sent') return [];
  const hooks = new Set(
    explanation.alternatives.flatMap(({ stages, packet }) => [
      ...stages.flatMap((stage) => ('hook' in stage ? [stage.hook.toLowerCase()] : [])),
      packet.outInterface === undefined ? 'input' : 'forward',
    ]),
  );
  return native
    .filter(({ hook }) => hooks.has(hook))
    .map(
      ({ family, table, chain, hook }) => `table ${family} ${table}, chain ${chain} (hook ${hook})`,
    );
}
