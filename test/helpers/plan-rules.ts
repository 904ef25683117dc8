/** A whole plan at once. */

import { planInSteps, type RuleIntent } from '../../src/core/firewall/plan.js';
import type { RuleChange, RuleSet } from '../../src/core/firewall/rule-set.js';
import type { BaseRules } from '../../src/core/generations/generation.js';

export function planRules(found: RuleSet, base: BaseRules, intent: RuleIntent): RuleChange[] {
  const steps = planInSteps(found, base, intent);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
