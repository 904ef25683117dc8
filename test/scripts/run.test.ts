/** How scripts/test runs commands, and when it takes them for ended. */
import t from 'tap';
import { endAll, runShown } from '../../scripts/tests/run.js';

const node = (script: string): [string, ...string[]] => [process.execPath, '-e', script];

t.test('a command is over when its output is', async (t) => {
  let said = '';
  const keep = (text: string): void => {
    said += text;
  };
  const { status } = await runShown(node("console.log('one'); process.exitCode = 3"), keep, false);
  t.equal(status, 3);
  t.equal(said, 'one\n');
  t.equal((await runShown(['/nowhere/at-all'], keep, false)).status, 1);
  t.match(said, /nowhere/);
});

t.test('what a command leaves behind does not hold the run up', async (t) => {
  // A process in a group of its own, with the output of the command that has started it.
  const left = `const { spawn } = require('child_process');
    const options = { detached: true, stdio: 'inherit' };
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => 0, 60000)'], options);
    child.unref();
    console.log(child.pid);`;
  const pid: string[] = [];
  const { status } = await runShown(node(left), (text) => pid.push(text), false, 50);
  t.equal(status, 0);
  const number = /^[1-9]\d*$/m.exec(pid.join(''))?.[0];
  // Not 0 in its place: a signal to that goes to the process group of the test.
  if (number === undefined) throw new Error(`no process number: ${pid.join('')}`);
  t.ok(process.kill(Number(number), 'SIGKILL'), 'it was there to the end');
});

t.test('every command that runs is ended, also one that would not end', async (t) => {
  const stubborn = node(
    "process.on('SIGTERM', () => console.log('no')); setTimeout(() => 0, 60000); console.log('up')",
  );
  const ended = runShown(
    stubborn,
    (text) => {
      if (text.includes('up')) endAll();
      if (text.includes('no')) endAll('SIGKILL');
    },
    false,
  );
  t.equal((await ended).status, 1);
});
