/** What `tsbridge trace` prints for people. */

import type { RuleStep } from '../../core/explain/chains/chain-walk.js';
import { decisiveSteps } from '../../core/explain/describe.js';
import { asStep, withReturns } from '../../core/trace/describe.js';
import { joined, plain, type TerminalText } from '../output/fit.js';
import type { PacketItem, SummaryItem, TraceItem } from '../schemas/trace.js';

type StepItem = PacketItem['steps'][number];

/** @param every true: show every rule that the packet met, not only those that decided something */
export function show(item: TraceItem, at: Date, every: boolean): TerminalText {
  switch (item.kind) {
    case 'packet':
      return lines(packetLines(item.packet, at, every));
    case 'gap':
      return lines(['(the kernel had more to report than could be read: packets are missing)']);
    case 'end':
      return lines(summaryLines(item.summary));
  }
}

const lines = (texts: readonly string[]): TerminalText =>
  joined(texts.map((text) => plain`${text}\n`));

function packetLines(packet: PacketItem, at: Date, every: boolean): string[] {
  const { number, answers, protocol, flags, source, destination, became, steps, words } = packet;
  const kind = flags === '' ? protocol : `${protocol} ${flags}`;
  const by = packet.in === null ? 'made by this host' : `in ${packet.in}`;
  const which = answers === null ? `packet ${number}` : `answer to packet ${answers}`;
  const changed = [endText(became.source), endText(became.destination)].join(' -> ');
  const same = changed === [endText(source), endText(destination)].join(' -> ');
  return [
    '',
    `${at.toISOString().slice(11, 23)}  ${endText(source)} -> ${endText(destination)} ${kind}, ${by}  (${which})`,
    ...stepLines(steps, every),
    ...(same ? [] : [`  became           ${changed}`]),
    ...words.map((text) => `  ${text}`),
  ];
}

function endText({ address, port, container }: PacketItem['source']): string {
  const host = address.includes(':') && port !== 0 ? `[${address}]` : address;
  return `${host}${port === 0 ? '' : `:${port}`}${container === null ? '' : ` (${container})`}`;
}

/** A line for each rule that decided something, with the jumps that led to it. */
function stepLines(steps: readonly StepItem[], every: boolean): string[] {
  const groups: StepItem[][] = [];
  for (const step of steps) {
    const group = groups.at(-1);
    if (group !== undefined && placeOf(group[0]) === placeOf(step)) group.push(step);
    else groups.push([step]);
  }
  return groups.flatMap((group) => {
    const items = new Map<RuleStep, StepItem>(group.map((item) => [asStep(item), item]));
    const paths = every
      ? [...items.keys()].map((step) => [step])
      : decisiveSteps(withReturns([...items.keys()]));
    return paths.map((path) => pathLine(path.flatMap((step) => items.get(step) ?? [])));
  });
}

const placeOf = (step: StepItem | undefined) => `${step?.hook} ${step?.family} ${step?.table}`;

function pathLine(path: readonly StepItem[]): string {
  const last = path.at(-1) as StepItem;
  const { family, table, owner, containers } = last;
  const name = family === 'ip' || family === 'ip6' ? table : `${family} ${table}`;
  const where = path
    .map(({ chain, number, handle }) =>
      handle === null ? `${chain} policy` : `${chain} ${number ?? `handle ${handle}`}`,
    )
    .join(' -> ');
  const begin = `  ${name.padEnd(16)} ${where}: `;
  if (last.handle === null) {
    return `${begin}${last.outcome === 'return' ? 'comes back' : last.outcome.toUpperCase()}`;
  }
  const whose = [...(owner === null ? [] : [owner]), ...containers].join('; ');
  const rule = last.rule?.replace(`-A ${last.chain} `, '') ?? 'a rule that changed meanwhile';
  return `${begin}${rule}${whose === '' ? '' : `  [${whose}]`}`;
}

const reasons = {
  count: 'as many as were wanted',
  time: 'the time is over',
  interrupted: 'interrupted',
} as const;

function summaryLines(summary: SummaryItem): string[] {
  const { packets, answers, dropped, matched, reason, losses, unseen } = summary;
  const missed = matched > packets ? `; ${matched} came that fit` : '';
  return [
    '',
    `packets: ${packets}; answers: ${answers}; dropped, rejected or lost: ${dropped}; ended: ${reasons[reason]}${missed}`,
    ...(losses.length === 0
      ? []
      : [
          'meanwhile the kernel lost outside of rules, of all packets of this host:',
          ...losses.map(({ counter, packets: lost, words }) => `  ${lost} by ${counter}: ${words}`),
        ]),
    ...unseen.map((words) => `not shown: ${words}`),
  ];
}
