import { spawn, spawnSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { CommandError, runCommand, spawnProcess } from '../../src/host/process/exec.js';

const timeoutMs = 20_000;
const exists = (pid: number) => spawnSync('kill', ['-0', String(pid)]).status === 0;

t.test('a command that ends well gives its output', async (t) => {
  const pids: number[] = [];
  const result = await runCommand('cat', ['-'], {
    input: 'line\n\n',
    timeoutMs,
    onStart: (pid) => pids.push(pid),
  });
  t.same(result, { stdout: 'line\n\n', stderr: '', exitCode: 0 });
  t.equal(pids.length, 1);
  t.equal((await runCommand('cat', [], { timeoutMs })).stdout, '', 'no input: an empty one');
  const env = await runCommand('env', [], { timeoutMs, env: { LC_ALL: 'de_DE', EXTRA: '1' } });
  t.match(env.stdout, /^LC_ALL=C$/m);
  t.match(env.stdout, /^EXTRA=1$/m);
  t.match(env.stdout, /^PATH=/m);
});

t.test('a command that fails is an error with its output', async (t) => {
  await t.rejects(runCommand('no-such-program', ['x'], { timeoutMs }), {
    name: 'CommandError',
    failure: 'not-found',
    message: 'no-such-program x: no-such-program is not installed (or not on PATH)',
  });
  const failed = runCommand('sh', ['-c', 'echo out; echo err >&2; exit 3'], { timeoutMs });
  await t.rejects(failed, {
    failure: 'exited',
    exitCode: 3,
    stdout: 'out\n',
    stderr: 'err\n',
    command: 'sh -c echo out; echo err >&2; exit 3',
    message: /: exit code 3: err: out$/,
  });
  await t.rejects(runCommand('sh', ['-c', 'kill -KILL $$'], { timeoutMs }), {
    failure: 'killed',
    exitCode: undefined,
    message: /killed by SIGKILL/,
  });
});

t.test('a command that does not end is killed', async (t) => {
  let pid = 0;
  const options = { timeoutMs: 100, onStart: (started: number) => (pid = started) };
  // It ignores what could be ignored.
  const command = runCommand('sh', ['-c', "trap '' TERM; while :; do sleep 0.1; done"], options);
  const error = await command.catch((reason: unknown) => reason);
  t.ok(error instanceof CommandError);
  t.match(error, { failure: 'timed-out', message: /no end after 100 ms/ });
  t.notOk(exists(pid));
});

t.test(
  'the time limit holds although a process that the command has started keeps its output open',
  async (t) => {
    const outlives = 'sleep 30 & echo $!; wait';
    // Longer each time: on a slow machine the command may be killed before it has started anything.
    for (let pid = 0, limit = 200; pid === 0; limit *= 2) {
      const error = await runCommand('sh', ['-c', outlives], { timeoutMs: limit }).catch(
        (reason: unknown) => reason,
      );
      t.ok(error instanceof CommandError);
      const { failure, stdout } = error as InstanceType<typeof CommandError>;
      t.equal(failure, 'timed-out');
      pid = Number(stdout);
      if (pid === 0) continue;
      t.ok(exists(pid), 'it is still there');
      process.kill(pid, 'SIGKILL');
    }
  },
);

t.test('a child that closes its input early is no unhandled error', async (t) => {
  const input = 'x'.repeat(1_000_000);
  const error = await runCommand('sh', ['-c', 'exit 4'], { input, timeoutMs }).catch(
    (reason: unknown) => reason,
  );
  t.match(error, { failure: 'exited', exitCode: 4 });
});

t.test('a long-lived child is told of, ended and outlived', async (t) => {
  const child = spawnProcess('sh', ['-c', 'read line; echo "got $line"; exec sleep 60']);
  t.type(child.pid, 'number');
  child.stdin?.write('this\n');
  child.stdout?.once('data', () => child.kill('SIGTERM'));
  t.match(await child.ended, { signal: 'SIGTERM', exitCode: undefined });
  t.equal(child.kill('SIGTERM'), false);

  const missing = spawnProcess('no-such-program', []);
  t.equal(missing.pid, undefined);
  t.match(await missing.ended, { description: /ENOENT/ });
});

t.test('a detached child outlives us, and does not hold us back', async (t) => {
  const module = new URL('../../src/host/process/exec.ts', import.meta.url).href;
  const script = `
    const { spawnProcess } = await import(${JSON.stringify(module)});
    const child = spawnProcess('sleep', ['60'], { detached: true });
    child.unref();
    console.log(child.pid);`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = Number(await text(parent.stdout));
  t.ok(exists(pid));
  process.kill(pid, 'SIGKILL');
});

t.test('a child that is not detached goes with us', async (t) => {
  const module = new URL('../../src/host/process/exec.ts', import.meta.url).href;
  const script = `
    const { spawnProcess } = await import(${JSON.stringify(module)});
    const child = spawnProcess('sleep', ['60']);
    process.stdout.write(String(child.pid), () => process.exit(0));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = Number(await text(parent.stdout));
  while (exists(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  t.pass('gone');
});
