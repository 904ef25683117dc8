/** Explanations as items of the command's answer. */
import { describe, headline } from '../../core/explain/describe.js';
import { commonEnd, type Explanation, refusedAnyway } from '../../core/explain/explain.js';
import { ownerIn } from '../../core/explain/owners.js';
import type { Packet } from '../../core/explain/packet.js';
import type { Stage } from '../../core/explain/path/stages.js';
import type { ExplainItem } from '../schemas/explain.js';

export function itemOf(
  of: ExplainItem['of'],
  explanation: Explanation,
  packet: Packet,
  unseenChains: readonly string[],
  detail: 'hooks' | 'rules',
): ExplainItem {
  const kind = refusedAnyway(explanation) ?? commonEnd(explanation)?.kind;
  const known = kind !== undefined && kind !== 'unknown' && unseenChains.length === 0;
  return {
    of,
    packet: packetItem(packet),
    verdict: known ? kind : 'depends',
    ways: explanation.alternatives.map(({ assumptions, stages, end: { kind } }) => ({
      assumptions: assumptions.map((each) => ({ ...each })),
      stages: stages.map(stageItem),
      end: kind,
    })),
    cut: explanation.cut,
    unseen: unseenChains,
    text: [
      ...describe(explanation, packet, detail),
      ...(unseenChains.length === 0
        ? []
        : [
            '',
            'DEPENDS on tables that nft itself made, and that could not be read:',
            ...unseenChains.map((chain) => `  ${chain}`),
          ]),
    ],
  };
}

/**
 * The answer for a packet within one bridge without br_netfilter: the bridge passes it on, and no rule of iptables
 * sees it.
 */
export function bridgedItem(packet: Packet, bridge: string): ExplainItem {
  const text = [
    headline(packet),
    '',
    `BRIDGED by ${bridge}, from one of its ports to another: no rule of iptables sees it, as br_netfilter is off.`,
  ];
  return {
    of: 'packet',
    packet: packetItem(packet),
    verdict: 'bridged',
    ways: [],
    cut: false,
    unseen: [],
    text,
  };
}

function packetItem(packet: Packet): ExplainItem['packet'] {
  const { family, protocol, source, sourcePort, inInterface } = packet;
  return {
    family,
    protocol,
    source: { address: source, port: sourcePort },
    destination: { address: packet.destination, port: packet.destinationPort },
    in: inInterface ?? null,
  };
}

function stageItem(stage: Stage): ExplainItem['ways'][number]['stages'][number] {
  const nothing = { table: null, hook: null, variant: null, words: null, steps: [] };
  if (stage.kind === 'tracking') {
    return { ...nothing, at: 'conntrack', hook: stage.hook, words: stage.state };
  }
  if (stage.kind === 'translation') {
    const { source, destination } = stage.packetAfter;
    return {
      ...nothing,
      at: 'translation',
      hook: stage.hook,
      words: `${source} -> ${destination}`,
    };
  }
  if (stage.kind === 'route') {
    const { route } = stage;
    const words =
      route.to === 'interface' ? route.outInterface : route.to === 'host' ? 'host' : route.words;
    return { ...nothing, at: 'routing', words };
  }
  return {
    ...nothing,
    at: `${stage.table} ${stage.hook}`,
    table: stage.table,
    hook: stage.hook,
    variant: stage.variant,
    steps: stage.steps.map(({ chain, number, text, outcome, to, counters }) => ({
      chain,
      number: number ?? null,
      rule: text ?? null,
      outcome,
      to: to ?? null,
      owner: (text === undefined ? undefined : ownerIn(stage, chain, text)) ?? null,
      packets: counters?.packets ?? null,
    })),
  };
}
