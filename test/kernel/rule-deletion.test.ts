/** Rules deleted by handle over our own socket, as iptables-nft made them; in a table that others make anew, too. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Family } from '../../src/core/address.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('nft') || !isInstalled('iptables-nft')) {
  t.plan(0, 'needs nft and iptables-nft');
  process.exit(0);
}
const { makeRule } = await import('../../src/core/rules/rule.js');
const { IptablesCommands } = await import('../../src/host/iptables/commands.js');
const { RestoreBackend } = await import('../../src/host/iptables/restore-backend.js');
const { RuleDeletion } = await import('../../src/host/iptables/rule-deletion.js');
const { watchRules } = await import('../../src/host/iptables/rule-watch.js');
const { NftSocket } = await import('../../src/host/nf-tables/nft-socket.js');
const { interfaceName } = await import('../golden/golden.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const questions = new NftSocket();
t.teardown(() => questions.close());
const tools = { 4: 'iptables-nft', 6: 'ip6tables-nft' } as const;
const rule = (family: Family, name: string | number) =>
  makeRule(family, 'filter', 'DOCKER', { inInterface: interfaceName(`br-${name}`) }, 'RETURN');
/** The names of the bridges in the rules of chain DOCKER. */
const left = (family: Family) =>
  [...run(tools[family], ['-S', 'DOCKER']).matchAll(/-i br-(\S+)/g)].map(([, name]) => name);

async function comesTrue(what: () => boolean): Promise<void> {
  for (let tries = 0; !what(); tries += 1) {
    if (tries === 1_000) throw new Error('it does not come true');
    await sleep(20);
  }
}

/** Makes the table anew, without a turn of the event loop, so that no report of it is read. */
function makeAnew(family: Family, ...bridges: readonly string[]): void {
  run('nft', ['delete', 'table', family === 4 ? 'ip' : 'ip6', 'filter']);
  make(family, ...bridges);
}

function make(family: Family, ...bridges: readonly (string | number)[]): void {
  const rules = bridges.map((name) => `-A DOCKER -i br-${name} -j RETURN`);
  const text = ['*filter', ':DOCKER - [0:0]', ...rules, 'COMMIT'].join('\n');
  run(`${tools[family]}-restore`, ['--noflush'], `${text}\n`);
}

/** The handles of the rules in chain DOCKER, from top to bottom. */
function handles(family: Family): number[] {
  const chain = [family === 4 ? 'ip' : 'ip6', 'filter', 'DOCKER'];
  const listing = run('nft', ['-a', 'list', 'chain', ...chain]);
  return [...listing.matchAll(/br-.*# handle (\d+)/g)].map(([, handle]) => Number(handle));
}

for (const family of [4, 6] as const) {
  const deletion = (name: string | number, handle = 0) =>
    ({ op: 'delete', rule: rule(family, name), handle }) as const;
  t.test(`${tools[family]}: all or none, in the generation that is named`, async (t) => {
    const ports = new Set<number>();
    const socket = new RuleDeletion(ports);
    t.teardown(() => socket.close());
    t.ok(await socket.delete([], 0));
    make(family, 1, 2, 3);
    const [first, second, third] = handles(family).map((handle) => deletion(1, handle));
    if (!first || !second || !third) throw new Error('three rules were made');
    t.ok(await socket.delete([third, first], questions.generation()));
    t.same(left(family), ['2']);
    t.equal(ports.size, 1);

    const gone = { code: 'firewall-failed', message: /\(ENOENT\)/ };
    const refused = (...some: (typeof first)[]) => {
      return t.rejects(socket.delete(some, questions.generation()), gone);
    };
    await refused(second, first);
    await refused(third, first, second);
    await refused({ ...second, rule: { ...second.rule, chain: 'NONE' as never } });
    t.same(left(family), ['2'], 'all or none');

    const before = questions.generation();
    makeAnew(family, 'theirs', 'theirs-2');
    t.equal(handles(family)[1], second.handle, 'the handle names a rule of others now');
    t.notOk(await socket.delete([second], before));
    t.same(left(family), ['theirs', 'theirs-2']);

    run(tools[family], ['-F', 'DOCKER']);
    make(family, ...Array.from({ length: 200 }, (_, at) => at));
    const many = handles(family).map((handle) => deletion(1, handle));
    const absent = many.map((one) => ({ ...one, handle: one.handle + 1_000 }));
    await t.rejects(socket.delete(absent, questions.generation()), gone, 'an answer for each');
    t.ok(await socket.delete(many, questions.generation()));
    t.same(left(family), []);
    run('nft', ['delete', 'table', family === 4 ? 'ip' : 'ip6', 'filter']);
  });
}

/** The way of `--rule-backend restore`, with the kernel's reports. */
async function watched(t: Test) {
  const commands = await IptablesCommands.detect();
  const backend = new RestoreBackend(commands, log);
  /** What is deleted by handle, with the answer. */
  const byHandle: { count: number; made: boolean }[] = [];
  /** Called right before the next deletion by handle. */
  const state: { meanwhile?: () => void } = {};
  const deleteRules = commands.deleteRules.bind(commands);
  commands.deleteRules = async (deletions, generation) => {
    const { meanwhile } = state;
    delete state.meanwhile;
    meanwhile?.();
    const made = await deleteRules(deletions, generation);
    byHandle.push({ count: deletions.length, made });
    return made;
  };
  const foreign: (string | undefined)[] = [];
  const signs = { changed: (author?: { program: string }) => foreign.push(author?.program) };
  const watch = watchRules(commands, backend, { ...signs, lost: () => t.fail('lost') }, log);
  commands.openDeletion();
  watch.start();
  t.teardown(() => {
    watch.stop();
    commands.close();
    for (const ip of ['ip', 'ip6']) run('nft', ['delete', 'table', ip, 'filter']);
  });
  for (const family of [4, 6] as const) {
    make(family);
    await backend.read(family);
  }
  const append = async (family: Family, ...names: readonly (string | number)[]) => {
    const rules = names.map((name) => rule(family, name));
    await backend.commit(
      family,
      rules.map((each) => ({ op: 'append', rule: each })),
    );
    await comesTrue(() => rules.every((each) => backend.known.of(each).length === 1));
  };
  const remove = (family: Family, ...names: readonly (string | number)[]) =>
    backend.commit(
      family,
      names.map((name) => ({ op: 'delete', rule: rule(family, name) })),
    );
  return { backend, byHandle, state, foreign, append, remove };
}

t.test('a rule of others that has the handle by now stays', async (t) => {
  const { byHandle, state, append, remove } = await watched(t);
  await append(4, 'a', 'b');
  const [, own] = handles(4);
  state.meanwhile = () => {
    makeAnew(4, 'theirs', 'theirs-2');
    t.equal(handles(4)[1], own);
  };
  const refused = { code: 'firewall-failed', message: /RULE_DELETE failed|matching rule/ };
  await t.rejects(remove(4, 'b'), refused, 'by its text, when the report is read: there is none');
  t.same(left(4), ['theirs', 'theirs-2']);
  t.same(byHandle, [{ count: 1, made: false }]);
});

t.test('changes of others in between do not matter', async (t) => {
  const { byHandle, state, foreign, append, remove } = await watched(t);
  await append(4, 'a', 'b');
  await append(6, 'c');
  foreign.length = 0;
  state.meanwhile = () => run('nft', ['add', 'table', 'ip', 'others']);
  await Promise.all([remove(4, 'a'), remove(6, 'c')]);
  t.same([left(4), left(6)], [['b'], []]);
  t.same(
    byHandle.map(({ made }) => made),
    [false, true, true],
    'once more when the report is read; the second names what the first has made',
  );
  const many = Array.from({ length: 4_100 }, (_, at) => at);
  await append(4, ...many);
  await remove(4, ...many);
  t.same(left(4), ['b']);
  t.same(
    byHandle.slice(3),
    [2_000, 2_000, 100].map((count) => ({ count, made: true })),
  );
  await comesTrue(() => foreign.length > 0);
  t.same(foreign, ['nft'], 'deletions by netlink are known as our own');
});
