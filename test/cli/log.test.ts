import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { DriverError } from '../../src/core/errors.js';
import { createLog } from '../../src/log.js';

function logInto(level: Parameters<typeof createLog>[0]) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog(level, { write: (line) => lines.push(JSON.parse(line)) });
  return { lines, log };
}

t.test('a log line is one JSON object with level, time and msg', (t) => {
  const { lines, log } = logInto('info');
  log.info({ method: 'NetworkDriver.Join', durationMs: 1.5 }, 'call');
  t.match(lines, [
    {
      level: 'info',
      time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
      msg: 'call',
      method: 'NetworkDriver.Join',
      durationMs: 1.5,
    },
  ]);
  t.strictSame(Object.keys(lines[0] ?? {}).sort(), [
    'durationMs',
    'level',
    'method',
    'msg',
    'time',
  ]);
  t.end();
});

t.test('log lines below the level are dropped', (t) => {
  const { lines, log } = logInto('warn');
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({}, level);
  t.match(lines, [{ level: 'warn' }, { level: 'error' }]);
  t.equal(lines.length, 2);
  t.end();
});

t.test('an error in the log has its code, or its stack if it has none', (t) => {
  const { lines, log } = logInto('info');
  log.error({ error: new DriverError('port-allocated', 'taken') }, 'a');
  log.error({ error: new TypeError('broken') }, 'b');
  log.error({ error: 'thrown text' }, 'c');
  t.strictSame(lines[0]?.error, { message: 'taken', code: 'port-allocated' });
  t.match(lines[1]?.error, { message: 'broken', stack: /log\.test/ });
  t.strictSame(lines[2]?.error, { message: 'thrown text' });
  t.end();
});

t.test('standard output, also when nobody reads it any more', async (t) => {
  const module = fileURLToPath(new URL('../../src/log.ts', import.meta.url));
  const program = `
    const { createLog } = await import(${JSON.stringify(module)});
    const log = createLog('info');
    log.info({}, 'first');
    process.stdin.once('data', () => {
      for (let i = 0; i < 1000; i++) log.info({}, 'into the void');
      process.exit(7);
    });`;
  const args = [...process.execArgv, '--input-type=module', '-e', program];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString()));
  });
  t.match(JSON.parse(line), { msg: 'first' });
  child.stdout.destroy();
  child.stdin.write('go');
  t.equal(await new Promise((resolve) => child.on('close', resolve)), 7);
});
