/** `tsbridge gc`: removes what the engine has forgotten, on the proof of the engine's own lists. */
import type { Collected } from '../../../driver/orphans/collected.js';
import { reportCommand } from '../../define.js';
import { joined, plain, type TerminalText } from '../../output/fit.js';
import type { ForgottenItem } from '../../schemas/forgotten.js';
import { flag } from '../../table/entry.js';

export const gcCommand = reportCommand({
  name: 'gc',
  summary: 'remove networks and endpoints that the engine has forgotten',
  about: [
    'The engine is asked twice, 10 s apart, for all of its networks and containers. What neither answer knows is ' +
      'forgotten, if the engine made it, has run for a minute, and nothing is alive on it. With less proof nothing is ' +
      'removed. The daemon does the same by itself after an hour (--gc of tsbridge daemon).',
  ],
  words: {},
  flags: { yes: flag('do it; without, show what would be removed, and remove nothing') },
  examples: [
    { line: 'tsbridge gc', does: 'what would go, and what stays for want of proof' },
    { line: 'tsbridge gc --yes', does: 'removes it' },
  ],
  exits: {
    ok: 'nothing is forgotten, or it is gone',
    failed: 'the engine or the daemon does not answer, or the answers prove nothing',
    usage: 'wrong command line',
    differs: 'without --yes: something would be removed; with: something was not removed',
  },
  schema: 'gc',
  timeoutMs: 120_000,
  async ask({ flags, request }) {
    const dryRun = !flags.yes;
    const { networks, endpoints, kept } = await request<Collected>('POST', '/v1/gc', { dryRun });
    const items: ForgottenItem[] = [
      ...endpoints.map(({ id, network, bridge, ports }) => {
        return { kind: 'endpoint' as const, id, network, bridge, ports, subnets: [] };
      }),
      ...networks.map(({ id, bridge, subnets }) => {
        return { kind: 'network' as const, id, network: id, bridge, ports: [], subnets };
      }),
    ];
    return {
      source: 'daemon',
      warnings: kept.map((line) => `kept: ${line}`),
      items,
      more: { dryRun },
    };
  },
  show: ({ items }, { flags }) => show(items, !flags.yes),
  exit: ({ items, warnings }, { flags }) =>
    (flags.yes ? warnings.length > 0 : items.length > 0) ? 'differs' : 'ok',
});

function show(items: readonly ForgottenItem[], dryRun: boolean): TerminalText {
  if (items.length === 0) return plain`The engine has forgotten nothing that can be removed.\n`;
  const lines = items.map(({ kind, id, bridge, ports, subnets }) => {
    const short = id.slice(0, 12);
    const more = [...subnets, ...ports].join(', ');
    return more === ''
      ? plain`  ${kind} ${short} on ${bridge}\n`
      : plain`  ${kind} ${short} on ${bridge} (${more})\n`;
  });
  return dryRun
    ? plain`This would be removed:\n${joined(lines)}Nothing was done: give --yes to remove it.\n`
    : plain`Removed:\n${joined(lines)}`;
}
