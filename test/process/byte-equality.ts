/** Our own messages write the very bytes that the host's iptables writes: one version of it. */
import type { Test } from 'tap';
import { renderRestore } from '../../src/codec/iptables/iptables-restore.js';
import { parseSave } from '../../src/codec/iptables/iptables-save.js';
import { messagesIn } from '../../src/codec/netlink/netlink-message.js';
import { withoutCounts } from '../../src/codec/nf-tables/nft-expressions.js';
import { listRulesRequest } from '../../src/codec/nf-tables/nft-messages.js';
import { parseReportedRule } from '../../src/codec/nf-tables/nft-rule-messages.js';
import type { Family } from '../../src/core/address.js';
import { KnownHandles } from '../../src/core/rules/known-handles.js';
import { builtInChains, dockerChains, type Rule, tables } from '../../src/core/rules/rule.js';
import type { RuleChange } from '../../src/core/rules/rule-set.js';
import { shapeOf } from '../../src/core/rules/rule-shape.js';
import { readDump } from '../../src/host/netlink/socket/dump.js';
import { IptablesProbe } from '../../src/host/nf-tables/iptables-probe.js';
import { NetlinkTransactions } from '../../src/host/nf-tables/netlink-transactions.js';
import { NftSocket } from '../../src/host/nf-tables/nft-socket.js';
import { RuleLearning } from '../../src/host/nf-tables/rule-learning.js';
import { RecordingLog } from '../fakes/recording-log.js';
import { run } from './netns.js';

const families: readonly Family[] = [4, 6];
const toolOf = { 4: 'iptables-nft', 6: 'ip6tables-nft' } as const;

const save = (family: Family): string =>
  run(`${toolOf[family]}-save`, [])
    .replace(/^#.*\n/gm, '')
    .replace(/\[\d+:\d+\]/g, '');

function restore(family: Family, text: string): void {
  run(`${toolOf[family]}-restore`, ['--noflush'], text);
}

/** Lines of save text, or bytes of the kernel, chain by chain. */
type Listing = Record<string, readonly string[]>;

async function kernelBytes(family: Family): Promise<Listing> {
  const listing: Record<string, string[]> = {};
  for (const table of tables) {
    // No chain is named: the kernel lists the whole table.
    const { body, ...request } = listRulesRequest(family, table, 'DOCKER');
    const whole = { ...request, body: body.subarray(0, 4 + 4 + ((table.length + 1 + 3) & ~3)) };
    await readDump(12, whole, (datagram) => {
      for (const { type, start, end } of messagesIn(datagram)) {
        const rule = parseReportedRule(type, datagram.subarray(start, end));
        if (rule === undefined || rule.table !== table) continue;
        const name = `${table} ${rule.chain}`;
        const bytes = withoutCounts(rule.expressions).toString('hex');
        listing[name] = [...(listing[name] ?? []), bytes];
      }
    });
  }
  return listing;
}

function savedText(family: Family): Listing {
  const rules = parseSave(save(family));
  return Object.fromEntries(
    tables.flatMap((table) =>
      rules
        .chains(table)
        .map((chain) => [`${table} ${chain}`, rules.rules(table, chain as 'DOCKER')]),
    ),
  );
}

const eachAppended = (rules: readonly Rule[]): RuleChange[] =>
  rules.map((rule) => ({ op: 'append', rule }));

/** Makes all tables, and all of Docker's chains in each. */
function makeChains(family: Family): void {
  for (const table of tables) {
    const builtIn = builtInChains.filter((chain) => hooks[table].includes(chain));
    // A rule in each, so that iptables makes the chain, which it does late.
    const lines = builtIn.flatMap((chain) => [`-A ${chain} -j ACCEPT`, `-D ${chain} -j ACCEPT`]);
    const made = dockerChains.map((chain) => `-N ${chain}`);
    restore(family, `*${table}\n${[...lines, ...made].join('\n')}\nCOMMIT\n`);
  }
}

const hooks: Readonly<Record<(typeof tables)[number], readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: builtInChains,
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
};

/**
 * Writes the rules by iptables and by our own messages, and holds what the kernel and iptables list then
 * against each other.
 *
 * @param rules of both families, in chains of Docker's
 */
export async function holdBytes(t: Test, rules: readonly Rule[]): Promise<void> {
  const log = new RecordingLog();
  const learning = new RuleLearning(
    new IptablesProbe((family) => `${toolOf[family]}-restore`),
    log,
  );
  for (const family of families) if (!save(family).includes(':DOCKER ')) makeChains(family);
  const before = families.map(save);
  await learning.learn(rules);
  t.same(families.map(save), before, 'what was learnt from is in no listing');
  const written = rules.filter((rule) => shapeOf(rule) !== undefined);
  const unknown = written.filter((rule) => learning.expressions(rule) === undefined);
  t.same(
    unknown.map(({ family, table, text }) => `${family} ${table} ${text}`),
    [],
  );
  t.ok(written.length > rules.length / 2, 'most rules have a shape');
  const transactions = new NetlinkTransactions(
    new NftSocket(),
    (rule) => learning.expressions(rule),
    new KnownHandles(),
    log,
  );
  t.teardown(() => transactions.close());
  for (const family of families) {
    const own = written.filter((rule) => rule.family === family);
    const deletions = own.map((rule): RuleChange => ({ op: 'delete', rule }));
    restore(family, renderRestore(eachAppended(own)));
    const [bytes, text] = [await kernelBytes(family), savedText(family)];
    t.equal(
      await transactions.commit(deletions),
      undefined,
      'iptables wrote them, netlink deletes',
    );
    t.same(await kernelBytes(family), {});
    t.equal(await transactions.commit(eachAppended(own)), undefined);
    t.same(await kernelBytes(family), bytes, `IPv${family}: the same bytes`);
    t.same(savedText(family), text, `IPv${family}: the same text`);
    restore(family, renderRestore(deletions));
    t.same(await kernelBytes(family), {}, 'netlink wrote them, iptables deletes by their text');
  }
}
