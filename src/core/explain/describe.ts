/** An explanation in words, a line each. */
import type { IpAddress } from '../address.js';
import type { RuleStep } from './chains/chain-walk.js';
import type { Alternative, Explanation } from './explain.js';
import { commonEnd, refusedAnyway } from './explain.js';
import { ownerIn } from './owners.js';
import { ipProtocols, type Packet } from './packet.js';
import type { End, Stage } from './path/stages.js';

/** `hooks`: only rules that decided something, at each hook; `rules`: every rule that the packet met. */
export type Detail = 'hooks' | 'rules';

/** The explanation as lines, without line breaks. Rules of others are quoted as they are. */
export function describe(explanation: Explanation, from: Packet, detail: Detail): string[] {
  const { alternatives, cut } = explanation;
  const end = commonEnd(explanation);
  const lines = [headline(from), ''];
  const [first] = alternatives;
  if (first !== undefined && (end !== undefined || alternatives.length === 1)) {
    return [...lines, ...wayWords(first, detail), '', ...endWords(first)];
  }
  for (const [index, way] of alternatives.entries()) {
    const conditions = way.assumptions.map(
      ({ rule, dependsOn, holds }) =>
        `${holds ? 'if' : 'if not'}: ${dependsOn.join('; ')} (${rule})`,
    );
    lines.push(`Way ${index + 1}`, ...conditions.map((words) => `  ${words}`));
    lines.push(...wayWords(way, detail), '', ...endWords(way), '');
  }
  if (cut) lines.push('More ways are possible than are shown.', '');
  const refused = refusedAnyway(explanation);
  return [
    ...lines,
    refused === undefined
      ? 'DEPENDS on what cannot be known here: see the conditions of each way.'
      : `${refused.toUpperCase()} in each of these ways.`,
  ];
}

/** A packet in one line: addresses, ports, protocol and interface. */
export function headline(packet: Packet): string {
  return `${packetWords(packet)}, ${arrival(packet)}`;
}

function arrival({ inInterface, known }: Packet): string {
  const isAnswer = typeof known === 'object' && known.direction === 'reply';
  if (inInterface === undefined) {
    return isAnswer ? 'an answer of this host' : 'sent by a program on this host';
  }
  const first =
    typeof known !== 'object' ? 'first packet of a flow' : 'of a flow that is there already';
  return `${isAnswer ? 'an answer' : first}, arrives on ${inInterface}`;
}

const names: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(ipProtocols).map(([name, number]) => [number, name]),
);

function packetWords(packet: Packet): string {
  const protocol = names[packet.protocol] ?? `protocol ${packet.protocol}`;
  const target = hostAndPort(packet.destination, packet.destinationPort);
  return `${packet.source} -> ${target}/${protocol}`;
}

function hostAndPort(address: IpAddress, port: number): string {
  if (port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function wayWords(way: Alternative, detail: Detail): string[] {
  return way.stages.flatMap((stage) => stageWords(stage, detail));
}

function stageWords(stage: Stage, detail: Detail): string[] {
  if (stage.kind === 'tracking') {
    return [row('conntrack', stage.known ? knownWords[stage.state] : stateWords(stage.state))];
  }
  if (stage.kind === 'translation') {
    return [
      row('nat', `${stage.hook}: by the flow's entry, no rule${becameWords(stage.packetAfter)}`),
    ];
  }
  if (stage.kind === 'route') return [row('routing', routeWords(stage.route))];
  const table = stage.variant === 'legacy' ? `${stage.table} (legacy)` : stage.table;
  const decided = decisiveSteps(stage.steps);
  const shown = detail === 'rules' ? stage.steps.map((step) => [step]) : decided;
  return shown.map((path) => row(table, pathWords(path, stage)));
}

function stateWords(state: string): string {
  return state === 'new' ? 'a new flow' : 'no flow begins so: invalid';
}
const knownWords = {
  new: 'a flow that is there already, without an answer so far: rules of nat are not asked',
  established: 'a flow that is there already: rules of nat are not asked',
  related: 'a flow that another one has led to expect: rules of nat are not asked',
  invalid: 'invalid',
} as const;

function routeWords(route: Extract<Stage, { kind: 'route' }>['route']): string {
  if (route.to === 'host') return 'to this host itself';
  if (route.to === 'nowhere') return `nowhere: ${route.words}`;
  if (route.to === 'unknown') return `not known: ${route.words}`;
  const by = route.gateway === undefined ? '' : ` by ${route.gateway}`;
  return `out of ${route.outInterface}${by}`;
}

function row(name: string, words: string): string {
  return `  ${name.padEnd(16)} ${words}`;
}

/**
 * Of all steps, the ones that changed or decided something, each with the jumps that led to it. Chains that
 * the packet came back from unchanged are left out.
 */
export function decisiveSteps(steps: readonly RuleStep[]): RuleStep[][] {
  const paths: RuleStep[][] = [];
  const jumps: RuleStep[] = [];
  for (const step of steps) {
    if (step.outcome === 'jump') jumps.push(step);
    else if (step.outcome === 'goto') jumps[Math.max(0, jumps.length - 1)] = step;
    else if (step.outcome === 'return') jumps.pop();
    else if (step.outcome !== 'continue' || step.text?.includes('-j ') === true) {
      paths.push([...jumps, step]);
    }
  }
  return paths;
}

const outcomes: Readonly<Partial<Record<RuleStep['outcome'], string>>> = {
  accept: 'ACCEPT',
  drop: 'DROP',
  reject: 'REJECT',
  unknown: 'not known',
};

function pathWords(path: readonly RuleStep[], stage: Extract<Stage, { kind: 'table' }>): string {
  const after = stage.packetAfter;
  const last = path.at(-1);
  if (last === undefined) return '';
  const where = path.map(({ chain, number }) => `${chain} ${number ?? 'policy'}`).join(' -> ');
  const { text } = last;
  if (text === undefined) return `${where}: ${outcomes[last.outcome] ?? 'comes back'}`;
  const became = last.outcome === 'translate' && after !== undefined ? becameWords(after) : '';
  const owner = ownerIn(stage, last.chain, text);
  const whose = owner === undefined ? '' : `  [${owner}]`;
  const seen = last.counters === undefined ? '' : `  ${last.counters.packets} packets so far`;
  return `${where}: ${text}${became}${whose}${seen}`;
}

function becameWords(after: Packet): string {
  return ` (now ${after.source} -> ${hostAndPort(after.destination, after.destinationPort)})`;
}

/** How it ends, and by whose rule; the first line is a sentence, or ends with a colon. */
export function endWords({ end, stages }: Alternative): string[] {
  switch (end.kind) {
    case 'host':
      return ['TAKEN by this host itself, as far as rules decide.'];
    case 'sent':
      return [`SENT out of ${end.outInterface}.`];
    case 'lost':
      return [`LOST before a rule decides: ${end.words}.`];
    case 'unknown':
      return [`NOT KNOWN: ${end.words}.`];
    default:
      return refusedWords(end, stages);
  }
}

function refusedWords(
  { kind, hook, table, variant }: Extract<End, { kind: 'dropped' | 'rejected' }>,
  stages: readonly Stage[],
): string[] {
  const stage = stages.at(-1);
  const last = stage?.kind === 'table' ? stage.steps.at(-1) : undefined;
  const of = { legacy: 'iptables-legacy', nft: 'iptables', native: 'nft' }[variant];
  const where = `${kind.toUpperCase()} in ${hook} by`;
  const chain = last?.chain ?? hook;
  if (last?.text === undefined)
    return [`${where} the policy of chain ${chain}, table ${table} (${of}).`];
  const owner = ownerIn({ variant, table }, chain, last.text);
  return [
    `${where} rule ${last.number} of chain ${chain}, table ${table} (${of}):`,
    `  ${variant === 'native' ? '' : `-A ${chain} `}${last.text}`,
    ...(owner === undefined ? [] : [`  It looks like a rule of ${owner}.`]),
  ];
}
