/** Words for a traced packet: the rules that it met, whose they are, and what became of it. */
import { type IpAddress, parseIp } from '../address.js';
import type { RuleStep } from '../explain/chains/chain-walk.js';
import { ownerOf, tableOwner } from '../explain/owners.js';
import { ipProtocols, tcpFlags } from '../explain/packet.js';
import type { Passage } from './chains.js';
import type { PacketHeaders, TraceEvent } from './event.js';
import type { ListedRule } from './listing.js';
import type { TracedPacket, TracedStep } from './placing.js';

export interface DescribedStep {
  readonly hook: string;
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Position of the rule in its chain, from 1; undefined: the end of the chain, or a rule whose text is not known. */
  readonly number: number | undefined;
  readonly handle: bigint | undefined;
  /** Text of the rule as iptables-save (`-A CHAIN …`) or nft prints it. */
  readonly rule: string | undefined;
  readonly outcome: string;
  readonly to: string | undefined;
  /** The program whose rule it seems to be; undefined: none that is known. */
  readonly owner: string | undefined;
  /** Names of the containers whose addresses are in the rule. */
  readonly containers: readonly string[];
}

/** The container that has the address; undefined: none of tsbridge. */
export type NameOf = (address: IpAddress) => string | undefined;

export function describeStep(
  { hook, event }: TracedStep,
  rule: ListedRule | undefined,
  nameOf: NameOf,
): DescribedStep {
  const { family, table, chain, handle, to } = event;
  const names = addressesIn(rule?.text ?? '').flatMap((address) => nameOf(address) ?? []);
  const owner = rule === undefined ? undefined : (ownerOf(chain, rule.text) ?? tableOwner(table));
  const isIptables = rule !== undefined && / -j | -g |^-j |^-g |^-[a-z] |^! -/.test(rule.text);
  return {
    ...{ hook, family, table, chain, handle, to, owner },
    number: rule?.number,
    rule: rule && (isIptables ? `-A ${chain} ${rule.text}` : rule.text),
    outcome: outcomeOf(event, rule?.text ?? ''),
    containers: [...new Set(names)],
  };
}

function outcomeOf({ kind, handle, verdict = 'continue' }: TraceEvent, text: string): string {
  // Some kernels report the end of a chain as a rule without a handle.
  if (kind === 'return' || (kind === 'rule' && handle === undefined)) return 'return';
  if (verdict === 'drop' && /-j REJECT|\breject\b/.test(text)) return 'reject';
  const translates =
    /-j (DNAT|SNAT|MASQUERADE|REDIRECT|NETMAP)\b|\b(dnat|snat|masquerade|redirect)\b/;
  return verdict === 'accept' && translates.test(text) ? 'translate' : verdict;
}

export function addressesIn(text: string): IpAddress[] {
  return [...text.matchAll(/[0-9a-f:.]{2,45}/gi)].flatMap(([word]) => {
    const [address] = [word, word.replace(/:\d+$/, ''), word.replace(/:$/, '')].flatMap(
      (each) => parseIp(each) ?? [],
    );
    return address ?? [];
  });
}

/**
 * Adds a `return` step wherever the packet came back from a chain. The kernel reports no end of a chain in which no
 * rule decided; that it was left shows in the next step, which is of another chain.
 */
export function withReturns(steps: readonly RuleStep[]): RuleStep[] {
  const entered: string[] = [];
  return steps.flatMap((step) => {
    const back: RuleStep[] = [];
    while (entered.length > 0 && entered.at(-1) !== step.chain) {
      back.push({ chain: entered.pop() as string, outcome: 'return' });
    }
    if (step.outcome === 'return') entered.pop();
    if (step.outcome === 'goto') entered.pop();
    if (step.to !== undefined) entered.push(step.to);
    return [...back, step];
  });
}

const outcomes = [
  ...['continue', 'jump', 'goto', 'return', 'accept', 'drop', 'reject', 'translate'],
] as readonly RuleStep['outcome'][];

/** The step in the form that `decisiveSteps` of core/explain takes. */
export function asStep(
  step: Pick<DescribedStep, 'chain' | 'outcome'> & {
    readonly rule: string | null;
    readonly handle: string | null;
    readonly to: string | null;
  },
): RuleStep {
  const { chain, outcome, rule, handle, to } = step;
  return {
    chain,
    // A rule whose text is not known may have changed the packet, so its step must not be left out.
    ...(handle === null ? {} : { text: rule ?? '-j ?' }),
    outcome: outcomes.find((each) => each === outcome) ?? 'unknown',
    ...(to === null ? {} : { to }),
  };
}

/** How a packet ended, as one word of the schema. */
export function endOf({ end }: TracedPacket, last: DescribedStep | undefined): string {
  return end.kind === 'dropped' && last?.outcome === 'reject' ? 'rejected' : end.kind;
}

/** TCP's flags as words: `SYN ACK`; empty for other protocols. */
export function flagWords({ protocol, tcpFlags: flags }: PacketHeaders): string {
  if (protocol !== ipProtocols.tcp) return '';
  const set = Object.entries(tcpFlags).filter(([, bit]) => (flags & bit) !== 0);
  return set.map(([name]) => name).join(' ');
}

const protocolNames = new Map<number, string>(
  Object.entries(ipProtocols).map(([name, number]) => [number, name]),
);

export function protocolWord(protocol: number): string {
  return protocolNames.get(protocol) ?? String(protocol);
}

/**
 * A key for the flow of a packet, which {@link answeredKey} of its answer equals. Take the headers after all
 * translation.
 */
export function flowKey({
  protocol,
  source,
  destination,
  sourcePort,
  destinationPort,
}: PacketHeaders): string {
  return `${protocol} ${source} ${sourcePort} ${destination} ${destinationPort}`;
}

/**
 * The {@link flowKey} of the packet that this one answers. Take the headers as the answer came, before any translation.
 */
export function answeredKey(headers: PacketHeaders): string {
  const { source, destination, sourcePort, destinationPort } = headers;
  return flowKey({
    ...headers,
    ...{ source: destination, destination: source },
    ...{ sourcePort: destinationPort, destinationPort: sourcePort },
  });
}

/** In words, where a packet was lost that no rule of nf_tables dropped. */
export function lostWords({ hook, at }: Passage): string {
  if (at === 'start') {
    return `at hook ${hook}, by something that the kernel does not report: a rule of iptables-legacy, a bridge,${hook === 'FORWARD' ? ' a policy of IPsec,' : ''} or a program of eBPF`;
  }
  switch (hook) {
    case 'PREROUTING':
      return 'in routing: no route, the reverse path filter, forwarding that is off, an expired TTL, or a size above the MTU; or behind it, by something that the kernel does not report';
    case 'OUTPUT':
      return 'in routing, after the rules of OUTPUT changed it';
    default:
      return `behind hook ${hook}, before the next one`;
  }
}
