/** An outcome as the command's documents have it. */
import { describePath } from '../../core/connectivity/path.js';
import type { ConnectionItem } from '../schemas/connectivity.js';
import type { Reason } from './explanation.js';
import type { Outcome } from './run.js';

export function itemOf(outcome: Outcome, reason: Reason | undefined): ConnectionItem {
  const { path, question, source, answer, wanted, passed } = outcome;
  const { name, family, probe, from, expected, because } = path;
  return {
    ...{ name, family, probe, from },
    source: source ?? null,
    to: { address: question.address, port: question.port },
    path: describePath(path),
    expected: { answer: expected.answer, seen: wanted ?? null, because },
    found: answer.answered
      ? { answer: true, seen: answer.seen || null, why: null, ms: answer.ms }
      : { answer: false, seen: null, why: answer.why, ms: null },
    result: passed ? 'passed' : 'failed',
    explanation:
      reason === undefined
        ? null
        : { command: reason.command, verdict: reason.verdict, text: [...reason.text] },
  };
}
