import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

async function spawnTsbridge(...args: string[]) {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, main, ...args], {
    env: {},
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, err };
}

t.test('the tsbridge command runs as a process of its own', async (t) => {
  const wrong = await spawnTsbridge('daemon', '--lgo-level=info');
  t.match(wrong, { code: 2, err: 'did you mean --log-level?' });
});

/** With so much output that the reader is gone before the last of it is written. */
async function readPart(output: 'a reader that goes' | '/dev/full') {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const command = [process.execPath, ...process.execArgv, main, 'completion', 'bash'];
  const script =
    output === '/dev/full'
      ? '"$@" > /dev/full; echo "exit $?"'
      : '{ "$@"; echo "exit $?" >&2; } | true';
  const child = spawn('sh', ['-c', script, 'sh', ...command], { env: { PATH: process.env.PATH } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  await new Promise((resolve) => child.on('close', resolve));
  return said;
}

t.test('a reader that has gone is no failure, and a full disk is one', async (t) => {
  t.equal(await readPart('a reader that goes'), 'exit 0\n');
  const full = await readPart('/dev/full');
  t.match(full, /^tsbridge: what was asked for could not be written: .*ENOSPC/m);
  t.match(full, /^exit 1$/m);
});
