/** What does not work as it should: a code for programs, and words for people. */

export const reasons = [
  'program-missing',
  'monitor-missing',
  'ip6tables-missing',
  'proxy-silent',
  'proxy-lost',
  'proxy-other-build',
  'proxy-not-confined',
  'port-not-held',
  'publication-not-open',
  'repairs-undone',
  'rules-incomplete',
  'record-unreadable',
  'recovery-failed',
  'comparison-failed',
  'netlink-silent',
  'metrics-listener',
  'network-on-uplink',
] as const;

export type Reason = (typeof reasons)[number];

export interface Problem {
  readonly reason: Reason;
  readonly text: string;
}
