/** The process at the other end of a socket: known by its start, and gone when it has ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { ProcessId } from '../../../src/driver/host.js';
import { loadLibc } from '../../../src/host/process/libc.js';
import { ProcessFiles } from '../../../src/host/process/processes.js';
import { RecordingLog } from '../../fakes/recording-log.js';

/** A child that has connected to a socket of ours; the two ends of its life. */
async function connected(t: Tap) {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const server = createServer();
  const path = join(folder, 's');
  server.listen(path);
  await once(server, 'listening');
  const program = `require('node:net').connect(${JSON.stringify(path)}).resume()`;
  const child = spawn(process.execPath, ['-e', program], { env: {}, stdio: 'ignore' });
  const [socket] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    child.kill('SIGKILL');
    socket.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { child, socket };
}
type Tap = Pick<typeof t, 'teardown'>;

t.test('a process that has connected, until it ends', async (t) => {
  const { child, socket } = await connected(t);
  const log = new RecordingLog();
  const processes = new ProcessFiles(loadLibc(), log);
  const id = await processes.atOtherEnd(socket);
  if (id === undefined) throw new Error('not found out');
  t.equal(id.split(' ')[2], String(child.pid));
  t.equal(await processes.isGone(id), false);
  t.equal(await processes.isOfEarlierBoot(id), false);
  t.equal(await new ProcessFiles(loadLibc(), log).isGone(id), false, 'for the next daemon as well');
  const later = id.replace(/\d+$/, (start) => String(Number(start) - 1)) as ProcessId;
  t.equal(await processes.isGone(later), true, 'a number that has come again is another process');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.equal(await processes.isGone(id), true);
  t.same(log.lines, []);
});

t.test('what cannot be found out is not gone', async (t) => {
  const log = new RecordingLog();
  const { socket } = await connected(t);
  const foreign = new ProcessFiles({ peerProcess: () => 0 }, log);
  const unknown = await foreign.atOtherEnd(socket);
  t.match(unknown, / 0 0$/, 'another PID namespace: only the boot is known');
  t.equal(await foreign.isGone(unknown as ProcessId), false);
  const processes = new ProcessFiles(loadLibc(), log);
  const id = (await processes.atOtherEnd(socket)) as string;
  const elsewhere = id.replace(/pid:\[\d+\]/, 'pid:[1]').replace(/\d+ \d+$/, '999999999 1');
  t.equal(await processes.isGone(elsewhere as ProcessId), false, 'its number means nothing here');
  const before = id.replace(/^\S+/, '00000000-0000-0000-0000-000000000000') as ProcessId;
  t.equal(await processes.isGone(before), true, 'nothing outlives a boot');
  t.equal(await processes.isOfEarlierBoot(before), true);
  const failing = new ProcessFiles(
    {
      peerProcess: () => {
        throw new Error('EBADF');
      },
    },
    log,
  );
  t.equal(await failing.atOtherEnd(socket), undefined);
  t.match(log.lines, [{ level: 'warn' }]);
});

t.test('a name with brackets and spaces, and a process that has ended as a zombie', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const { mkdirSync, symlinkSync } = await import('node:fs');
  for (const folder of ['sys/kernel/random', 'self/ns', '7']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  writeFileSync(join(root, 'sys/kernel/random/boot_id'), 'boot\n');
  symlinkSync('pid:[1]', join(root, 'self/ns/pid'));
  const fields = (state: string) =>
    `7 (a) b (c) ${state} ${Array.from({ length: 18 }, (_, index) => index).join(' ')} 4242 0 0`;
  const processes = new ProcessFiles({ peerProcess: () => 7 }, new RecordingLog(), root);
  const id = 'boot pid:[1] 7 4242' as ProcessId;
  writeFileSync(join(root, '7/stat'), fields('S'));
  t.equal(await processes.isGone(id), false);
  writeFileSync(join(root, '7/stat'), fields('Z'));
  t.equal(await processes.isGone(id), true);
});
