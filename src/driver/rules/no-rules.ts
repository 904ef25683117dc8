/** The backend of a daemon that writes no rules (`--iptables=false`). */
import type { RuleBackend } from '../host.js';

export const noRules: RuleBackend = {
  supports: () => false,
  read: () => refuse(),
  commit: () => refuse(),
  engineStarted: () => {},
  foresee: () => {},
  problems: () => [],
  missingTables: () => new Set(),
};

function refuse(): Promise<never> {
  return Promise.reject(new Error('rules are switched off, and this is not called'));
}
