/** A whole plan at once. */

import type { BaseRules } from '../../src/core/rules/plan.js';
import { planInSteps, type RuleIntent } from '../../src/core/rules/plan.js';
import type { RuleChange, RuleSet } from '../../src/core/rules/rule-set.js';

export function planRules(found: RuleSet, base: BaseRules, intent: RuleIntent): RuleChange[] {
  const steps = planInSteps(found, base, intent);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
