/** Simulates the doctor's packets by the rules, native ones too, and routes of this host; nothing is sent. */
import type { Family } from '../../core/address.js';
import type { Facts, PacketOutcome, SimulatedPacket } from '../../core/doctor/facts.js';
import { packetsToSimulate } from '../../core/doctor/packets-to-simulate.js';
import type { RuleTable } from '../../core/explain/chains/rule-table.js';
import { commonEnd, type Explanation } from '../../core/explain/explain.js';
import { Answers } from '../../core/explain/facts.js';
import { HostAnswers } from '../../host/look/host-answers.js';
import type { NativeTablesRead } from '../../host/look/native-tables.js';
import { explainHere } from '../explain/ask-host.js';
import { unseen } from '../explain/unseen.js';

export interface ReadRules {
  /** Of both families. */
  readonly iptables: readonly RuleTable[];
  /** Of each family, as a packet of it meets them. */
  readonly native: Readonly<Record<Family, NativeTablesRead>>;
}

export async function simulate(facts: Facts, rules: ReadRules): Promise<SimulatedPacket[]> {
  const wanted = packetsToSimulate(facts);
  if (wanted.length === 0) return [];
  const host = await HostAnswers.open();
  const answers = new Answers();
  const packets: SimulatedPacket[] = [];
  try {
    for (const each of wanted) {
      const { packet } = each;
      const native = rules.native[packet.family];
      const tables = rules.iptables.filter(({ family }) => family === packet.family);
      const all = [...tables, ...native.tables];
      const explanation = await explainHere(all, packet, host, answers);
      const hidden = unseen(native.unread, explanation).length > 0;
      packets.push({ ...each, outcome: hidden ? { end: 'unknown' } : outcomeOf(explanation) });
    }
  } finally {
    host.close();
  }
  return packets;
}

/** `unknown` where the end depends on what cannot be known here (a rate limit, say): no finding can be made of that. */
export function outcomeOf(explanation: Explanation): PacketOutcome {
  const end = commonEnd(explanation);
  switch (end?.kind) {
    case 'host':
    case 'sent':
      return { end: end.kind };
    case 'lost':
      return { end: 'lost', words: end.words };
    case 'dropped':
    case 'rejected': {
      const { table, variant, hook } = end;
      const stage = explanation.alternatives[0]?.stages.at(-1);
      const last = stage?.kind === 'table' ? stage.steps.at(-1) : undefined;
      const { chain = hook, number, text } = last ?? {};
      const rule = number === undefined || text === undefined ? {} : { rule: { number, text } };
      return { end: 'refused', variant, table, chain, ...rule };
    }
    default:
      return { end: 'unknown' };
  }
}
