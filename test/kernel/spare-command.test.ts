/** The process that waits for the next change: what happens to the host meanwhile. */
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn } = await import('node:child_process');
const { default: events } = await import('node:events');
const { existsSync, mkdtempSync, readdirSync, readFileSync } = await import('node:fs');
const { setTimeout: sleep } = await import('node:timers/promises');
const { IptablesCommands } = await import('../../src/host/iptables/commands.js');
const { SpareCommand } = await import('../../src/host/process/spare-command.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const timeoutMs = 10_000;

/** Children of this process whose command line has these words. */
function children(words: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return Number(parent) === process.pid && state !== 'Z' && line.includes(words);
      } catch {
        return false;
      }
    });
}

async function waiting(words: string): Promise<number> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const [pid] = children(words);
    if (pid !== undefined) return pid;
    await sleep(20);
  }
  throw new Error(`no spare process '${words}'`);
}

t.test('the next spare command waits for its input, and is used', async (t) => {
  const command = new SpareCommand('cat', ['-u', '-']);
  t.equal((await command.run({ input: 'one', timeoutMs })).stdout, 'one');
  const spare = await waiting('cat -u -');
  let used = 0;
  const onStart = (pid: number): void => {
    used = pid;
  };
  t.equal((await command.run({ input: 'two', timeoutMs, onStart })).stdout, 'two');
  t.equal(used, spare);
  await waiting('cat -u -');
  const answers = await Promise.all(
    ['a', 'b', 'c'].map(async (input) => (await command.run({ input, timeoutMs })).stdout),
  );
  t.same(answers, ['a', 'b', 'c'], 'several at a time');
  const killed = await waiting('cat -u -');
  process.kill(killed, 'SIGKILL');
  while (existsSync(`/proc/${killed}`)) await sleep(20);
  t.equal((await command.run({ input: 'four', timeoutMs })).stdout, 'four', 'one that was killed');
  await waiting('cat -u -');
  command.close();
  while (children('cat -u -').length > 0) await sleep(20);
});

t.test('as many spare commands wait as are asked for', async (t) => {
  const command = new SpareCommand('cat', ['-u', '-'], 2);
  command.prepare();
  while (children('cat -u -').length < 2) await sleep(20);
  const spares = children('cat -u -');
  const used: number[] = [];
  const onStart = (pid: number) => void used.push(pid);
  for (const input of ['one', 'two']) {
    t.equal((await command.run({ input, timeoutMs, onStart })).stdout, input);
  }
  t.same(used.sort(), spares.sort(), 'one right after the other');
  while (children('cat -u -').length < 2) await sleep(20);
  await sleep(200);
  t.equal(children('cat -u -').length, 2, 'and no more');
  command.close();
  while (children('cat -u -').length > 0) await sleep(20);
});

t.test('one that does not wait is not started again and again', async (t) => {
  const folder = mkdtempSync('/run/spare-');
  const command = new SpareCommand('sh', ['-c', `echo >> ${folder}/starts`], 2);
  command.prepare();
  const starts = () =>
    existsSync(`${folder}/starts`) ? readFileSync(`${folder}/starts`, 'utf8') : '';
  while (starts().length < 2) await sleep(20);
  await sleep(1_000);
  command.close();
  t.equal(starts(), '\n\n');
});

t.test('after a failed commit no spare command waits', async (t) => {
  const command = new SpareCommand('sed', ['q3']);
  command.prepare();
  await waiting('sed q3');
  await t.rejects(command.run({ input: 'x\n', timeoutMs }), { message: /exit code 3/ });
  await sleep(200);
  t.same(children('sed q3'), []);
});

for (const variant of ['nft', 'legacy'] as const) {
  const kernel = variant === 'nft' || existsSync('/proc/net/ip_tables_names');
  const skip = !(isInstalled(`iptables-${variant}`) && kernel);
  t.test(`iptables-${variant}-restore sees the rules of when it is used`, { skip }, async (t) => {
    const tool = `iptables-${variant}`;
    run(tool, ['-w', '-N', 'DOCKER']);
    t.teardown(() => {
      run(tool, ['-w', '-F']);
      run(tool, ['-w', '-X']);
    });
    const firewall = await IptablesCommands.detect();
    t.equal(firewall.variant(4), variant);
    const restore = (...lines: string[]): Promise<void> =>
      firewall.restore(4, `${['*filter', ...lines, 'COMMIT'].join('\n')}\n`);
    await restore('-A DOCKER -p tcp -m tcp --dport 1 -j ACCEPT');
    await waiting(`${tool}-restore`);
    // A chain and rules that were not there when the process started.
    run(tool, ['-w', '-N', 'LATER']);
    run(tool, ['-w', '-F', 'DOCKER']);
    run(tool, ['-w', '-A', 'DOCKER', '-p', 'tcp', '--dport', '2', '-j', 'ACCEPT']);
    await restore(
      '-I DOCKER 2 -p tcp -m tcp --dport 3 -j LATER',
      '-D DOCKER -p tcp -m tcp --dport 2 -j ACCEPT',
    );
    t.equal(
      run(tool, ['-w', '-S', 'DOCKER']).trim(),
      '-N DOCKER\n-A DOCKER -p tcp -m tcp --dport 3 -j LATER',
    );
    await waiting(`${tool}-restore`);
    if (variant === 'legacy') {
      const taker = spawn('flock', ['--nonblock', '/run/xtables.lock', 'true']);
      t.same(await events.once(taker, 'close'), [0, null], 'it does not hold the lock');
    }
    firewall.close();
  });
}
