import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { parseSave } = await import('../../src/codec/iptables/iptables-save.js');
const { spawn } = await import('node:child_process');
const { default: events } = await import('node:events');
const { existsSync } = await import('node:fs');
const { failingLine, IptablesCommands } = await import('../../src/host/iptables/commands.js');

// /run/xtables.lock of our own: the machine's must not be held, nor wait for it.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);

const lines = (...text: readonly string[]) => `${text.join('\n')}\n`;
const variants = (['nft', 'legacy'] as const).filter((variant) =>
  isInstalled(`iptables-${variant}`),
);
const hasLegacyKernel = existsSync('/proc/net/ip_tables_names');
const both = variants.length === 2 && hasLegacyKernel;

t.test('without chains of Docker: what `iptables` is', async (t) => {
  const firewall = await IptablesCommands.detect();
  const expected = run('iptables', ['--version']).includes('nf_tables') ? 'nft' : 'legacy';
  t.equal(firewall.variant(4), expected);
  t.equal(firewall.supports(4), true);
  t.equal(firewall.supports(6), existsSync('/proc/net/if_inet6'));
});

for (const variant of variants) {
  t.test(variant, { skip: variant === 'legacy' && !hasLegacyKernel }, async (t) => {
    run(`iptables-${variant}`, ['-w', '-N', 'DOCKER']);
    const firewall = await IptablesCommands.detect();
    t.equal(firewall.variant(4), variant, 'the variant that holds the chains of Docker');

    const text = lines(
      '*nat',
      ':TSB - [0:0]',
      '-A TSB -d 10.0.0.1 -j RETURN',
      'COMMIT',
      '*filter',
      '-A DOCKER -i br-x -j ACCEPT',
      'COMMIT',
    );
    await firewall.restore(4, text);
    const saved = await firewall.read(4);
    t.match(saved, /^-A TSB -d 10\.0\.0\.1\/32 -j RETURN$/m);
    t.match(saved, /^-A DOCKER -i br-x -j ACCEPT$/m);

    const hostile = 'a "b" \\ \'c\'\n*nat\n-A DOCKER -j DROP\nCOMMIT';
    const comment = ['-m', 'comment', '--comment', hostile, '-j', 'ACCEPT'];
    run(`iptables-${variant}`, ['-w', '-I', 'FORWARD', ...comment]);
    run(`iptables-${variant}`, ['-w', '-A', 'FORWARD', '-j', 'DOCKER']);
    const rules = parseSave(await firewall.read(4));
    t.same(rules.rules('filter', 'DOCKER'), ['-i br-x -j ACCEPT']);
    t.match(
      rules.rules('filter', 'FORWARD'),
      [/^-m comment/, '-j DOCKER'],
      'line breaks and quotes',
    );
    run(`iptables-${variant}`, ['-w', '-F', 'FORWARD']);

    const bad = lines('*filter', '-A DOCKER -i br-y -j ACCEPT', '-A NONE -j DROP', 'COMMIT');
    await t.rejects(firewall.restore(4, bad), {
      code: 'firewall-failed',
      message: /iptables-\w+-restore \(line 3: -A NONE -j DROP\): .*--noflush/,
    });
    t.notMatch(await firewall.read(4), /br-y/, 'a table is changed as a whole or not at all');

    await t.rejects(
      firewall.restore(4, lines('*filter', '-A DOCKER -p tcp --dport 080', 'COMMIT')),
      {
        message: /line 2: -A DOCKER -p tcp --dport 080/,
      },
    );
    run(`iptables-${variant}`, ['-w', '-F', 'DOCKER']);
    run(`iptables-${variant}`, ['-w', '-X', 'DOCKER']);
  });
}

t.test('both variants hold chains of Docker', { skip: !both }, async (t) => {
  run('iptables-nft', ['-N', 'DOCKER']);
  run('iptables-legacy', ['-w', '-N', 'DOCKER-ISOLATION-STAGE-1']);
  await t.rejects(IptablesCommands.detect(), {
    code: 'firewall-split',
    message: /both iptables-nft and iptables-legacy hold chains of Docker.*reboot/,
  });
  run('iptables-nft', ['-X', 'DOCKER']);
  t.equal((await IptablesCommands.detect()).variant(4), 'legacy');
});

t.test('a lock that another program holds', { skip: !both }, async (t) => {
  const firewall = await IptablesCommands.detect({ lockWaitSeconds: 1 });
  const text = lines('*filter', '-A INPUT -i br-lock -j ACCEPT', 'COMMIT');
  const holder = spawn('flock', ['/run/xtables.lock', 'sh', '-c', 'echo held; sleep 1.5']);
  const released = events.once(holder, 'close');
  await events.once(holder.stdout, 'data');
  await firewall.restore(4, text);
  await released;
  t.match(await firewall.read(4), /br-lock/, 'is waited for more than once');
});

t.test('a table that iptables cannot read', { skip: !variants.includes('nft') }, async (t) => {
  // Of the test with both variants.
  if (both) run('iptables-legacy', ['-w', '-X', 'DOCKER-ISOLATION-STAGE-1']);
  run('iptables-nft', ['-N', 'DOCKER']);
  const firewall = await IptablesCommands.detect();
  run('nft', ['add', 'rule', 'ip', 'filter', 'DOCKER', 'ct state new accept']);
  const saved = await firewall.read(4);
  t.match(saved, /^# Table `filter' is incompatible/m);
  t.match(saved, /^:DOCKER - \[0:0\]$[\s\S]*^#-A DOCKER handle \d+$/m, 'is read chain by chain');
});

t.test('an unsupported family is an error', async (t) => {
  run('mount', ['-t', 'tmpfs', 'tmpfs', `/proc/${process.pid}/net`]);
  const firewall = await IptablesCommands.detect();
  t.equal(firewall.supports(6), false);
  t.equal(firewall.variant(6), undefined);
  await t.rejects(firewall.read(6), { code: 'firewall-failed', message: /no working ip6tables/ });
});

t.test('the error of a commit has the failing line', async (t) => {
  t.same(failingLine('iptables-restore: line 2 failed', 'a\nb\n'), { number: 2, text: 'b' });
  t.same(failingLine('Error occurred at line: 1', 'a\nb\n'), { number: 1, text: 'a' });
  t.equal(failingLine('line 9 failed', 'a\n'), undefined);
  t.equal(failingLine('no number', 'a\n'), undefined);
});
