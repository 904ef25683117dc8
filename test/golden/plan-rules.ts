/** A whole plan at once. */

import type { BaseRules } from '../../src/core/rules/plan.js';
import { planInSteps, type RuleEdit } from '../../src/core/rules/plan.js';
import type { RuleChange, RuleSet } from '../../src/core/rules/rule-set.js';

export function planRules(found: RuleSet, base: BaseRules, edit: RuleEdit): RuleChange[] {
  const steps = planInSteps(found, base, edit);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
