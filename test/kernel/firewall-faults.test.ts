/** iptables-restore that fails, hangs or is killed half-way, and a lock that another one holds. */
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn } = await import('node:child_process');
const { default: events } = await import('node:events');
const { chmodSync, existsSync, writeFileSync } = await import('node:fs');
const { join } = await import('node:path');
const { RuleCommits } = await import('../../src/driver/rules/rule-commits.js');
const { DesiredRules } = await import('../../src/driver/rules/desired-rules.js');
const { GenerationChoice } = await import('../../src/driver/rules/generation-choice.js');
const { RuleRepair } = await import('../../src/driver/rules/rule-repair.js');
const { Registry } = await import('../../src/driver/state/registry.js');
const { RestoreBackend } = await import('../../src/host/iptables/restore-backend.js');
const { generations } = await import('../../src/core/generations/all.js');
const { IptablesCommands } = await import('../../src/host/iptables/commands.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const settings = { userlandProxy: true, allowDirectRouting: false };
const real = process.env.PATH;

/** Programs of these names come before the real ones. */
function wrap(t: { testdir(): string; teardown(f: () => void): void }, script: string): void {
  const folder = t.testdir();
  for (const name of ['iptables-nft-restore', 'iptables-restore', 'nft']) {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\nPATH='${real}'\n${script.replaceAll('REAL', name)}\n`);
    chmodSync(path, 0o755);
  }
  process.env.PATH = `${folder}:${real}`;
  if (script.includes('sleep')) limits.timeoutMs = 1_000;
  t.teardown(() => {
    limits.timeoutMs = patience;
    process.env.PATH = real;
  });
}

/** Long, except in tests whose program hangs: on a busy machine a program that works may take seconds. */
const patience = 60_000;
const limits = { timeoutMs: patience, lockWaitSeconds: 1 };

async function commits() {
  const firewall = await IptablesCommands.detect(limits);
  const backend = new RestoreBackend(firewall, log);
  const choice = new GenerationChoice('docker20', false);
  const desired = new DesiredRules(choice, settings, new Registry());
  const repairs = new RuleRepair(
    choice,
    settings,
    desired,
    { find: async () => undefined, list: async () => [] },
    log,
  );
  return new RuleCommits(4, backend, desired, repairs, log);
}

const network = {
  id: 'a'.repeat(64),
  bridge: 'br-a',
  internal: false,
  icc: true,
  masquerade: true,
  ipv4: undefined,
  ipv6: undefined,
} as never;
const kind = 'change' as const;
const placed = generations.docker20.networkRules(network, 4, settings);
const add = { kind, add: async () => placed, remove: [] };
const remove = { kind, add: async () => [], remove: placed.map(({ rule }) => rule) };
const rules = () => run('iptables-save', []).match(/^-A .*br-a.*$/gm) ?? [];

/** Of one that did part of its work the second try can do the rest. */
async function refused(
  t: { match(found: unknown, wanted: unknown): void; fail(): void },
  work: Promise<unknown>,
  what: string,
  message: RegExp,
): Promise<void> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error !== undefined) t.match(error, { code: 'firewall-failed', message });
  else if (!what.includes('half-way')) t.fail();
}

const skip = !isInstalled('iptables-nft');
const faults: readonly (readonly [string, string, RegExp])[] = [
  ['fails', 'cat >/dev/null; echo "nobody knows" >&2; exit 4', /exit code 4: nobody knows/],
  ['hangs', 'exec sleep 60', /no end after 1000 ms/],
  ['is killed', 'kill -9 $$', /killed by SIGKILL/],
  // The first table is committed, the others are not.
  ['is killed half-way', 'sed "/^COMMIT/q" | REAL "$@"; kill -9 $$', /killed by SIGKILL/],
];
for (const [what, script, message] of faults) {
  t.test(`iptables-restore ${what}`, { skip }, async (t) => {
    const own = await commits();
    await t.test('iptables-restore fails while rules are added', async (t) => {
      wrap(t, script);
      await refused(t, own.submit(add), what, message);
    });
    await own.submit(remove);
    t.same(rules(), [], 'what the caller takes back is gone');
    await own.submit(add);
    const wanted = rules();
    t.ok(wanted.length > 0, 'the next call is fine');
    await t.test('iptables-restore fails while rules are removed', async (t) => {
      wrap(t, script);
      await refused(t, own.submit(remove), what, message);
    });
    await own.submit(add);
    t.same([...rules()].sort(), [...wanted].sort(), 'all are there again');
    await own.submit(remove);
    t.same(rules(), []);
  });
}

const legacy = isInstalled('iptables-legacy') && existsSync('/proc/net/ip_tables_names');
t.test('another program holds the lock for 10 s', { skip: !legacy }, async (t) => {
  run('iptables-nft', ['-F']);
  run('nft', ['flush', 'ruleset']);
  run('iptables-legacy', ['-w', '-N', 'DOCKER']);
  const firewall = await IptablesCommands.detect();
  t.equal(firewall.variant(4), 'legacy');
  const holder = spawn('flock', ['/run/xtables.lock', 'sh', '-c', 'echo held; exec sleep 10']);
  const released = events.once(holder, 'close');
  await events.once(holder.stdout, 'data');
  const text = '*filter\n-A INPUT -i br-lock -j ACCEPT\nCOMMIT\n';
  await firewall.restore(4, text);
  await released;
  t.match(await firewall.read(4), /br-lock/, 'it was waited for');
  const impatient = await IptablesCommands.detect({ lockWaitSeconds: 1 });
  const second = spawn('flock', [
    ...['--no-fork', '/run/xtables.lock'],
    ...['sh', '-c', 'echo held; exec sleep 60'],
  ]);
  await events.once(second.stdout, 'data');
  await t.rejects(impatient.restore(4, text), {
    code: 'firewall-failed',
    message: /another program kept the lock \/run\/xtables\.lock/,
  });
  const gone = events.once(second, 'close');
  second.kill('SIGKILL');
  await gone;
  await impatient.restore(4, text);
});
