/** Socket activation: the file re-executes itself as the daemon that inherits a socket as fd 3. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { createServer } from '../../../src/frontends/libnetwork/server.js';
import { RecordingDriver } from '../../fakes/recording-driver.js';
import { RecordingLog } from '../../fakes/recording-log.js';

if (process.env.TSBRIDGE_TEST_FD === undefined) await parent();
else await child(Number(process.env.TSBRIDGE_TEST_FD));

async function child(fd: number): Promise<void> {
  const server = createServer({
    driver: new RecordingDriver(),
    log: new RecordingLog(),
    deadlineMs: 1000,
  });
  process.once('SIGTERM', () => void server.close());
  await server.listen({ fd });
  process.stdout.write('ready\n');
}

async function parent(): Promise<void> {
  // Only here: the child's output is not TAP.
  const { default: t } = await import('tap');
  await t.test('a socket that systemd opened is served, and left alone', inherit);
}

async function inherit(t: Test): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-'));
  const path = join(folder, 'inherited.sock');
  const opener = createNetServer();
  await new Promise<void>((resolve) => opener.listen(`${path}.new`, resolve));
  // A public way to the number of a listening socket does not exist.
  const { fd } = (opener as unknown as { _handle: { fd: number } })._handle;
  const daemon = spawn(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url)], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
    env: { ...process.env, TSBRIDGE_TEST_FD: '3' },
  });
  const exited = new Promise((resolve) => daemon.once('exit', resolve));
  t.teardown(async () => {
    daemon.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });
  // From here on only the child has the socket; closing ours would remove a file of its old name.
  renameSync(`${path}.new`, path);
  opener.close();
  await new Promise((resolve) => daemon.stdout?.once('data', resolve));

  const answer = await new Promise<string>((resolve, reject) => {
    const call = request({ socketPath: path, method: 'POST', path: '/Plugin.Activate' });
    call.once('error', reject).once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.once('end', () => resolve(text));
    });
    call.end();
  });
  t.equal(answer, '{"Implements":["NetworkDriver"]}');
  daemon.kill('SIGTERM');
  t.equal(await exited, 0, 'stops by itself when the server is closed');
  t.ok(existsSync(path), 'the socket belongs to systemd, and stays');
}
