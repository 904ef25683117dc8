/** `tsbridge explain FROM TO`: what becomes of a packet, and by whose rule, without sending one. */
import { parseRemoved, parseSupposed } from '../../../codec/iptables/supposed-rules.js';
import type { Family } from '../../../core/address.js';
import { answerTo } from '../../../core/explain/answer.js';
import type { RuleTable } from '../../../core/explain/chains/rule-table.js';
import type { Packet } from '../../../core/explain/packet.js';
import {
  type Destination,
  type Place,
  parseDestination,
  parsePlace,
} from '../../../core/explain/path/places.js';
import {
  type RemovedRule,
  type SupposedRule,
  SupposedWrongly,
  suppose,
} from '../../../core/explain/supposed.js';
import { reportCommand } from '../../define.js';
import { bridgedItem, itemOf } from '../../explain/items.js';
import type { Rules } from '../../explain/sources.js';
import { unseen } from '../../explain/unseen.js';
import { joined, plain } from '../../output/fit.js';
import type { ExplainItem } from '../../schemas/explain.js';
import { flag, optional, required, several } from '../../table/entry.js';
import { count, filePath, type Kind } from '../../table/kinds.js';
import { UsageError } from '../../table/parse.js';
import { destinationForms, pingForm, placeForms } from '../../table/places.js';

const place: Kind<Place> = {
  forms: placeForms,
  accepts:
    'host, elsewhere, lan, an address (or ADDRESS%INTERFACE), CONTAINER or CONTAINER@NETWORK; without a port',
  placeholder: 'PLACE',
  parse: parsePlace,
  completes: 'container',
};
const destination: Kind<Destination> = {
  forms: [...destinationForms, pingForm],
  accepts:
    'PLACE:PORT, PLACE:PORT/udp, PLACE/icmp, or :PORT of the host; an address of IPv6 in brackets',
  placeholder: 'PLACE:PORT',
  parse: parseDestination,
  completes: 'container',
};

const supposed: Kind<SupposedRule> = {
  accepts:
    'a rule as for iptables: "[-t TABLE] -I CHAIN [NUMBER] RULE" or "[-t TABLE] -A CHAIN RULE"',
  placeholder: 'RULE',
  parse: parseSupposed,
};
const removed: Kind<RemovedRule> = {
  accepts:
    '"[-t TABLE] CHAIN NUMBER", or a rule as iptables-save prints it, "[-t TABLE] -A CHAIN RULE"',
  placeholder: 'RULE',
  parse: parseRemoved,
};

export const explainCommand = reportCommand({
  name: 'explain',
  summary: 'what becomes of a packet here, and by whose rule, without sending one',
  about: [
    "Follows the first packet of a flow through everybody's rules on this host, of both variants of iptables and of " +
      'tables that programs have made by nft itself, in thought: nothing is sent or changed. The kernel is asked for ' +
      'routes, kinds of addresses and members of sets. What nobody can know beforehand, such as a rate limit, makes ' +
      'several ways, each with its conditions.',
    'So does the order of two chains of one priority, where it makes a difference: the kernel does not tell it. Chains ' +
      'of bridge and netdev tables are not looked into.',
    'A flow that is there already is not asked about again: rules of nat hold for its first packet alone, and many rule sets ' +
      'accept all that is established. So the kernel is asked whether it tracks a flow with these very addresses and ports ' +
      '(--sport), and if so, both are told: what becomes of its packets, and of those of a new flow.',
    'What comes to a published port and is taken by this host itself, the userland proxy carries on: the connection that it makes to ' +
      'the container is told, too.',
    'With --from, the same is said of the host that a bundle of tsbridge diags is from, when it was written. A bundle does not ' +
      'have the flows that the kernel tracked: the answer is about a new one, and with --sport, both are told, as neither is known.',
    'It says what this host decides; what happens before and after it, in a cloud or a container, it cannot see.',
  ],
  words: {
    from: required(
      place,
      'where the packet comes from',
      'name where the packet comes from: elsewhere, host, …',
    ),
    to: required(destination, 'where it goes', 'name where the packet goes: :8080, web:80, …'),
  },
  flags: {
    ipv6: flag('by IPv6, where no address says so'),
    sport: optional(count(65_535), 'the port that it comes from (40000)'),
    reply: flag('also what becomes of the answer to the packet'),
    with: several(supposed, 'as if iptables had this rule, too; nothing is changed'),
    without: several(removed, 'as if iptables did not have this rule; nothing is changed'),
    from: optional(
      filePath,
      'of the host that this bundle of tsbridge diags is from, instead of this one; nothing of this host is asked',
    ),
    rules: flag('every rule that the packet meets, not only those that decide'),
    svg: optional(filePath, 'also draw its way, as a picture in this file'),
  },
  names: true,
  examples: [
    { line: 'tsbridge explain elsewhere :8080', does: 'is the published port 8080 reachable?' },
    { line: 'tsbridge explain web 1.1.1.1:443', does: 'does container web reach the outside?' },
    {
      line: 'tsbridge explain elsewhere :8080 --with "-I DOCKER-USER -i eth0 -j DROP"',
      does: 'what would this rule do?',
    },
    { line: 'tsbridge explain web 1.1.1.1:443 --reply', does: 'and does the answer come back?' },
    { line: 'tsbridge explain host 127.0.0.1:8080', does: 'and from this host itself?' },
    {
      line: 'tsbridge explain elsewhere :8080 --from ticket.tar.gz',
      does: 'and on the host that the bundle is from?',
    },
    {
      line: 'tsbridge explain elsewhere :8080 --svg /root/way.svg',
      does: 'with a picture, for a ticket',
    },
  ],
  exits: {
    ok: 'it is let through, to this host or out of it',
    failed: 'the rules or routes of the host could not be read, or the bundle is none',
    usage: 'wrong command line, or a place that is not there',
    differs: 'it is dropped, rejected or lost',
    unclear: 'it depends on what cannot be known here',
  },
  schema: 'explain',
  async ask(call) {
    const { words, flags } = call;
    const [{ Resolver }, { explainHere }, { bundledHost, thisHost }, { secondConnection }] =
      await Promise.all([
        import('../../explain/resolve.js'),
        import('../../explain/ask-host.js'),
        import('../../explain/sources.js'),
        import('../../explain/second-connection.js'),
      ]);
    const named = [words.from, words.to.place].some((each) => each?.kind === 'container');
    const source =
      flags.from === undefined
        ? await thisHost(call, named)
        : await bundledHost(flags.from, flags.sport !== undefined);
    const { answers, view, head } = source;
    try {
      const family = flags.ipv6 ? 6 : 4;
      const sourcePort = flags.sport ?? 40_000;
      const resolver = new Resolver(answers, view);
      const asked = await resolver.packet({ ...words, family, sourcePort });
      const { past, packet } = await answers.onBridge(asked);
      if (past !== undefined) {
        const items = [bridgedItem(packet, past)];
        await draw(items, flags.svg);
        return { ...head, items };
      }
      const warnings = new Set(head.warnings);
      const read = new Map<Family, Rules>();
      const item = async (of: ExplainItem['of'], each: Packet) => {
        const rules = read.get(each.family) ?? (await source.rules(each.family));
        read.set(each.family, rules);
        for (const warning of rules.warnings) warnings.add(warning);
        const tables = [...supposedTables(rules.tables, each.family, flags), ...rules.native];
        const explanation = await explainHere(tables, each, answers);
        const hidden = unseen(rules.unread, explanation);
        const detail = flags.rules ? 'rules' : 'hooks';
        return { explanation, item: itemOf(of, explanation, each, hidden, detail) };
      };
      const items: ExplainItem[] = [];
      const known = await source.knownFlow(packet);
      const first = await item('packet', known === undefined ? packet : { ...packet, known });
      const before = [...source.words, ...supposedWords(flags)];
      items.push({ ...first.item, text: [...before, ...first.item.text] });
      if (known !== undefined && known !== 'unknown') {
        items.push((await item('new-flow', packet)).item);
      }
      const second = await secondConnection(first.explanation, source.ports, resolver);
      if (second !== undefined) items.push((await item('proxied', second)).item);
      const answered = first.explanation.alternatives.map(answerTo).find((each) => each);
      if (flags.reply && answered !== undefined) items.push((await item('reply', answered)).item);
      await draw(items, flags.svg);
      return { ...head, warnings: [...warnings], items };
    } finally {
      answers.close();
    }
  },
  show: ({ items }) =>
    joined(
      items.flatMap(({ of, text }) => [...titles[of], ...text].map((line) => plain`${line}\n`)),
    ),
  exit: ({ items }) => {
    const exits = items.filter(({ of }) => of !== 'new-flow').map((each) => exitOf(each.verdict));
    return exits.find((exit) => exit === 'differs') ?? exits.find((exit) => exit !== 'ok') ?? 'ok';
  },
});

const titles: Readonly<Record<ExplainItem['of'], readonly string[]>> = {
  packet: [],
  'new-flow': ['', 'AN EXISTING FLOW DECIDES. The first packet of a new one:', ''],
  proxied: ['', 'THE USERLAND PROXY, if it holds the port, makes a connection of its own:', ''],
  reply: ['', 'The answer:', ''],
};

interface SupposedFlags {
  readonly with: readonly SupposedRule[];
  readonly without: readonly RemovedRule[];
}

function supposedWords(flags: SupposedFlags): string[] {
  const words = [
    ...flags.without.map(({ table, chain, which }) =>
      typeof which === 'number'
        ? `As if rule ${which} of chain ${chain}, table ${table}, were not there.`
        : `As if this rule of table ${table} were not there: -A ${chain} ${which}`,
    ),
    ...flags.with.map(({ table, chain, position, rule }) => {
      const place = position === undefined ? `-A ${chain}` : `-I ${chain} ${position}`;
      return `As if table ${table} had this rule, too: ${place} ${rule.text}`;
    }),
  ];
  return words.length === 0 ? [] : [...words, ''];
}

/** @throws {UsageError} for a rule that is not there, or cannot be */
function supposedTables(
  tables: readonly RuleTable[],
  family: Family,
  flags: SupposedFlags,
): RuleTable[] {
  try {
    return suppose(tables, family, [...flags.without, ...flags.with]);
  } catch (error) {
    if (error instanceof SupposedWrongly) throw new UsageError(error.message);
    throw error;
  }
}

/** Writes the picture of all items, if there is to be one. */
async function draw(items: readonly ExplainItem[], file: string | undefined): Promise<void> {
  if (file === undefined) return;
  const [{ pictureOf }, { pathFile }, { replaceFile }] = await Promise.all([
    import('../../explain/picture.js'),
    import('../../../operator/picture/path-picture.js'),
    import('../../output/replace-file.js'),
  ]);
  await replaceFile(file, pathFile(pictureOf(items)), 0o600);
}

function exitOf(verdict: ExplainItem['verdict']): 'ok' | 'differs' | 'unclear' {
  if (verdict === 'depends') return 'unclear';
  return verdict === 'host' || verdict === 'sent' || verdict === 'bridged' ? 'ok' : 'differs';
}
