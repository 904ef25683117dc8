/** Makes all checks on one reading of the host: findings, which of them another one causes, and checks that lacked facts. */
import { type Check, type Found, type Severity, wholeHost } from './check.js';
import type { Facts, Part } from './facts.js';

export interface Finding extends Found {
  readonly code: string;
  readonly severity: Severity;
  readonly means: string;
  /** The code of the finding that causes this one; absent: none of the findings does. */
  readonly hiddenBy?: string;
  /** See `settles` of the check: it is dropped by {@link confirmed} unless a second reading finds it, too. */
  readonly settles: boolean;
}

export interface Examination {
  /** Errors first; within a severity in the order of the checks. */
  readonly findings: readonly Finding[];
  /** How many checks were done. */
  readonly done: number;
  readonly notDone: readonly { readonly code: string; readonly needs: readonly Part[] }[];
}

export function examine(checks: readonly Check[], facts: Facts): Examination {
  const found: Finding[] = [];
  const notDone: { code: string; needs: readonly Part[] }[] = [];
  for (const { code, severity, means, settles, needs, find } of checks) {
    const missing = needs.filter((part) => facts[part] === undefined);
    if (missing.length > 0) notDone.push({ code, needs: missing });
    else found.push(...find(facts).map((each) => ({ ...each, code, severity, means, settles })));
  }
  return {
    findings: ordered(withCauses(checks, found)),
    done: checks.length - notDone.length,
    notDone,
  };
}

/** The findings of the second reading, without those that settle and that the first one does not have. */
export function confirmed(first: Examination, second: Examination): Examination {
  const before = new Set(first.findings.map(keyOf));
  const findings = second.findings.filter(
    (finding) => !finding.settles || before.has(keyOf(finding)),
  );
  const codes = new Set(findings.map(({ code }) => code));
  return {
    ...second,
    // What hid a finding may be gone by now: such a finding is shown.
    findings: findings.map(({ hiddenBy, ...finding }) =>
      hiddenBy !== undefined && codes.has(hiddenBy) ? { ...finding, hiddenBy } : finding,
    ),
  };
}

const keyOf = ({ code, object }: Finding): string => `${code} ${object}`;

const order: readonly Severity[] = ['error', 'warning', 'notice'];

function ordered(findings: readonly Finding[]): Finding[] {
  return order.flatMap((severity) => findings.filter((finding) => finding.severity === severity));
}

/** Notes with each finding the first other one that hides it. A finding that is hidden itself hides others all the same. */
function withCauses(checks: readonly Check[], found: readonly Finding[]): Finding[] {
  const causes = found.flatMap((finding) => {
    const hides = checks.find(({ code }) => code === finding.code)?.hides ?? [];
    return hides.map((code) => ({ code, object: finding.object, by: finding.code }));
  });
  return found.map((finding) => {
    const cause = causes.find(
      ({ code, object }) =>
        code === finding.code && (object === wholeHost || object === finding.object),
    );
    return cause === undefined ? finding : { ...finding, hiddenBy: cause.by };
  });
}
