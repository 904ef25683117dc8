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
