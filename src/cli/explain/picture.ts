/** What `tsbridge explain` has found, as a picture. */

import type { RuleStep } from '../../core/explain/chains/chain-walk.js';
import { decisiveSteps } from '../../core/explain/describe.js';
import {
  isPlace,
  type PathPicture,
  type PathStage,
  type PathWay,
  type Place,
} from '../../operator/picture/path-picture.js';
import type { ExplainItem } from '../schemas/explain.js';

type Way = ExplainItem['ways'][number];
type Stage = Way['stages'][number];
type ItemStep = Stage['steps'][number];

/** @param items the packet first, then its reply, and what else is told of */
export function pictureOf(items: readonly ExplainItem[]): PathPicture {
  const [first, ...others] = items;
  if (first === undefined) return { title: '', ways: [] };
  const more = others.flatMap((item) => {
    const [way, ...rest] = waysOf(item);
    return way === undefined ? [] : [{ ...way, heading: headlineOf(item) }, ...rest];
  });
  return { title: headlineOf(first), ways: [...waysOf(first), ...more] };
}

/** The line that names the packet; rules that are only supposed stand before it. */
function headlineOf({ text }: ExplainItem): string {
  return text.find((line) => line.includes(' -> ')) ?? '';
}

function waysOf({ packet, ways, verdict, text, unseen }: ExplainItem): PathWay[] {
  if (ways.length === 0) return [bridged(verdict, text)];
  const hidden = unseen.map((chain) => `${chain} could not be read, and may decide otherwise`);
  const before = text.slice(
    0,
    text.findIndex((line) => line.includes(' -> ')),
  );
  return ways.map((way) => ({
    conditions: [...before.filter((line) => line !== ''), ...conditionsOf(way), ...hidden],
    places: placesOf(way, packet.in !== null),
    stages: way.stages.map(stageOf),
    end: endOf(way),
  }));
}

/** The way of a frame from one port of a bridge to another, which no rule of iptables sees. */
function bridged(verdict: string, text: readonly string[]): PathWay {
  const words = text.slice(1).join(' ').trim();
  const outcome = verdict === 'bridged' ? 'passed' : 'unsure';
  return { conditions: [], places: ['in', 'out'], stages: [], end: { outcome, words } };
}

function conditionsOf({ assumptions }: Way): string[] {
  return assumptions.map(
    ({ rule, dependsOn, holds }) =>
      `${holds ? 'if' : 'if not'}: ${dependsOn.join('; ')} (rule ${rule})`,
  );
}

const ends: Readonly<Record<string, Place>> = { sent: 'out', host: 'host' };

function placesOf({ stages, end }: Way, fromOutside: boolean): Place[] {
  const passed = stages
    .map(({ at, hook }) => (at === 'routing' ? 'routing' : (hook ?? '')))
    .filter(isPlace);
  // The kernel routes a packet of this host before OUTPUT. The drawing has no arrow for that: the way begins at the
  // host.
  const first: Place = fromOutside ? 'in' : 'host';
  const way = fromOutside || passed[0] !== 'routing' ? passed : passed.slice(1);
  const last = ends[end];
  const all = [first, ...way, ...(last === undefined ? [] : [last])];
  return all.filter((place, index) => place !== all[index - 1]);
}

const refusing = ['drop', 'reject'];

function stageOf({ at, variant, words, steps }: Stage): PathStage {
  const paths = decisiveSteps(steps.map(stepOf)).map((path) =>
    path.map((step) => step as ReturnType<typeof stepOf>),
  );
  const outcomes = paths.map((path) => path.at(-1)?.outcome ?? '');
  const of = variant === 'legacy' || variant === 'native' ? ` (${variant})` : '';
  return {
    title: words === null ? `${at}${of}` : `${at}: ${words}`,
    decided: paths.map(pathWords),
    outcome: outcomes.some((outcome) => refusing.includes(outcome))
      ? 'refused'
      : outcomes.includes('unknown')
        ? 'unsure'
        : 'passed',
  };
}

/** As the simulation has it: absent where JSON has null. The item goes with it. */
function stepOf(item: ItemStep): RuleStep & { readonly item: ItemStep } {
  const { chain, number, rule, outcome, to } = item;
  return {
    item,
    chain,
    // The item was made from an outcome of the simulation, so that its words are those of an outcome.
    outcome: outcome as RuleStep['outcome'],
    ...(number === null ? {} : { number }),
    ...(rule === null ? {} : { text: rule }),
    ...(to === null ? {} : { to }),
  };
}

function pathWords(path: readonly { readonly item: ItemStep }[]): string {
  const last = path.at(-1)?.item;
  if (last === undefined) return '';
  const where = path
    .map(({ item: { chain, number } }) => `${chain} ${number ?? 'policy'}`)
    .join(' → ');
  const whose = last.owner === null ? '' : `  [${last.owner}]`;
  const seen = last.packets === null ? '' : `  ${last.packets} packets so far`;
  return `${where}: ${last.rule ?? last.outcome.toUpperCase()}${whose}${seen}`;
}

function endOf({ end, stages }: Way): PathWay['end'] {
  const last = stages.at(-1);
  const route = stages.findLast(({ at }) => at === 'routing')?.words ?? '';
  switch (end) {
    case 'sent':
      return { outcome: 'passed', words: `SENT out of ${route}` };
    case 'host':
      return { outcome: 'passed', words: 'TAKEN by this host itself, as far as rules decide' };
    case 'dropped':
    case 'rejected':
      return { outcome: 'refused', words: `${end.toUpperCase()} by ${last?.at ?? 'a rule'}` };
    case 'lost':
      return { outcome: 'refused', words: `LOST before a rule decides: ${route}` };
    default:
      return { outcome: 'unsure', words: 'NOT KNOWN: it depends on what cannot be known here' };
  }
}
