/** Why a connection of a test failed: `tsbridge explain`, run for each of the packets that it stands on. */

import type { Asking, Probe } from '../../core/connectivity/path.js';
import { explainCommand } from '../commands/look/explain.js';
import type { ExplainItem } from '../schemas/explain.js';
import type { Terminal } from '../terminal.js';
import type { Lab } from './lab.js';
import { containerPorts } from './networks.js';
import type { Outcome } from './run.js';

export interface Reason {
  /** What to type to see it again while the network is there. */
  readonly command: string;
  readonly verdict: ExplainItem['verdict'] | 'unknown';
  /** What `explain` says, a line each; or why it could not say anything. */
  readonly text: readonly string[];
}

/** A packet's way, in the words of the command line. */
interface Leg {
  readonly from: string;
  readonly to: string;
  /** The port that it comes from, if that matters. */
  readonly sourcePort?: number;
}

interface Explained {
  readonly leg: Leg;
  readonly reason: Reason;
  /** The table in which its way ends; undefined: there are several ways, or none. */
  readonly endsIn: string | undefined;
}

const passes: readonly Reason['verdict'][] = ['host', 'sent', 'bridged'];

/**
 * The first packet of a connection that rules treat otherwise than they should; if there is none, the packet that begins
 * the connection.
 */
export async function explainOutcome(
  lab: Lab,
  outcome: Outcome,
  terminal: Terminal,
  folders: readonly string[],
): Promise<Reason> {
  const reasons: Explained[] = [];
  const explained = async (leg: Leg): Promise<Explained> => {
    const reason = await explainLeg(leg, terminal, folders);
    reasons.push(reason);
    return reason;
  };
  const should = outcome.path.expected.answer;
  for (const leg of legsOf(lab, outcome)) {
    const { reason } = await explained(leg);
    if (should && !passes.includes(reason.verdict)) return reason;
  }
  const [first] = reasons;
  if (first === undefined) throw new Error('a connection has at least one packet');
  if (!should) return first.reason;
  const back = answerOf(lab, outcome);
  if (back !== undefined) {
    const { reason, endsIn } = await explained(back);
    // `explain` takes the answer for the first packet of a flow; the rules before connection tracking treat both alike.
    if (!passes.includes(reason.verdict) && endsIn === 'raw') return reason;
  }
  const { from, to } = first.leg;
  const hint = `No rule of this host stops it. To see it on its way: tsbridge trace ${from} ${to}`;
  return { ...first.reason, text: [...first.reason.text, '', hint] };
}

function legsOf(lab: Lab, { path, question, source }: Outcome): Leg[] {
  const { from, to, family, probe } = path;
  const place = from === 'host' ? 'host' : `${source}%${interfaceOf(lab, from)}`;
  const leg = { from: place, to: target(question.address, question.port, probe) };
  if (to.at !== 'host-port') return [leg];
  // Where a proxy takes the connection, it opens a second one to the container.
  const container = lab.second.addresses[family] ?? lab.second.addresses[4];
  if (container === undefined) return [leg];
  return [leg, { from: 'host', to: target(container, containerPorts.published, probe) }];
}

/**
 * The answer as a packet that comes from the server; undefined if the server is this host, or a bridge passes the answer
 * on without rules.
 */
function answerOf(lab: Lab, { path, question, wanted }: Outcome): Leg | undefined {
  const { to, family, probe } = path;
  if (wanted === undefined || probe === 'ping') return undefined;
  if (to.at === 'outside') {
    const from = `${question.address}%${lab.uplink}`;
    return { from, to: target(wanted, answerPort, probe), sourcePort: question.port };
  }
  const container = lab.second.addresses[family];
  if (path.from !== 'outside' || container === undefined) return undefined;
  const from = `${container}%${lab.second.bridge}`;
  return { from, to: target(wanted, answerPort, probe), sourcePort: containerPorts.published };
}

/** The source port of simulated packets. The real one is not known, and no rule of this driver asks for it. */
const answerPort = 40_000;

function interfaceOf(lab: Lab, from: Exclude<Asking, 'host'>): string {
  if (from === 'outside') return lab.uplink;
  return from === 'other' ? lab.other.bridge : lab.network.spec.bridge;
}

function target(address: string, port: number, probe: Probe): string {
  const where = address.includes(':') ? `[${address}]` : address;
  if (probe === 'ping') return `${where}/icmp`;
  return `${where}:${port}${probe === 'tcp' ? '' : '/udp'}`;
}

async function explainLeg(
  leg: Leg,
  terminal: Terminal,
  folders: readonly string[],
): Promise<Explained> {
  const { from, to, sourcePort } = leg;
  const words = [from, to, ...(sourcePort === undefined ? [] : [`--sport=${sourcePort}`])];
  const command = ['tsbridge explain', ...words].join(' ');
  let out = '';
  let err = '';
  await explainCommand.run([...words, '--json', ...folders], {
    environment: terminal.environment,
    out: (text) => {
      out += String(text);
    },
    err: (text) => {
      err += String(text);
    },
  });
  try {
    const { items } = JSON.parse(out) as { readonly items: readonly ExplainItem[] };
    const [item] = items;
    if (item !== undefined) {
      const [way, ...others] = item.ways;
      const endsIn = others.length === 0 ? (way?.stages.at(-1)?.table ?? undefined) : undefined;
      return { leg, reason: { command, verdict: item.verdict, text: item.text }, endsIn };
    }
  } catch {
    // `explain` has printed why it could not answer: that stands in place of its answer.
  }
  const text = [err.trim() || 'explain gave no answer'];
  return { leg, reason: { command, verdict: 'unknown', text }, endsIn: undefined };
}
