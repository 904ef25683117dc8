/**
 * A Debian that boots: its systemd, its Docker engine and the .deb, in namespaces. Each line of `scripts/vm` is a check,
 * and what they are is in test/vm/packages.sh.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const suite = process.env.LAB_SUITE === 'trixie' ? 'trixie' : 'bookworm';

t.test(`${suite}: the package, from its installation to its end`, async (t) => {
  const args = ['--namespaces', '--suite', suite, '--only', 'packages'];
  // Without the first version, which has to be built: that is for a run by hand.
  const env = { ...process.env, NODE_OPTIONS: '', TSBRIDGE_PREVIOUS: '' };
  const child = spawn(join(repository, 'scripts', 'vm'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  const stop = (): void => void child.kill('SIGTERM');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  t.teardown(stop);
  child.stderr.on('data', (text) => t.comment(String(text).trimEnd()));
  const ended = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    const [, failed, name] = /^(not )?ok - (.*)$/.exec(line) ?? [];
    if (name === undefined) t.comment(line);
    else t.ok(failed === undefined, name);
  }
  t.same(await ended, [0, null]);
});
