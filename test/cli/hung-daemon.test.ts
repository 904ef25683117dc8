/** A daemon that takes the question and never answers: commands that ask it end, and say so. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { dispatch } from '../../src/cli/dispatch.js';
import { documentOf } from '../process/documents.js';

const folder = mkdtempSync(join(tmpdir(), 'tsbridge-hung-'));
const sockets = new Set<{ destroy(): unknown }>();
const server = createServer((socket) => void sockets.add(socket));
server.listen(join(folder, 'admin.sock'));
await once(server, 'listening');
t.teardown(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  rmSync(folder, { recursive: true });
});

async function run(line: string, end = new AbortController()) {
  const said = { out: '', err: '' };
  const place = ['--timeout', '1', '--runtime-dir', folder, '--state-dir', join(folder, 'none')];
  const code = await dispatch([...line.split(' '), ...place], {
    environment: { TSBRIDGE_DOCKER_SOCKET: 'none' },
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    interruption: () => end.signal,
  });
  return { code, ...said };
}

const asking = [
  ...['status', 'reconcile', 'forget br-0', 'ports', 'ps', 'find web', 'top --for 0.1', 'diff'],
  ...[
    'publish web 80:80',
    'publish --list',
    'unpublish web --all',
    'gc',
    'events',
    'set web rate_up=none',
  ],
  ...['events --follow', 'metrics', 'health', 'set web rate_down=20mbit'],
];

t.test('each ends with the reason', async (t) => {
  const answers = await Promise.all(asking.map((line) => run(line)));
  for (const [index, { code, out, err }] of answers.entries()) {
    t.match(
      { code, out, err },
      { code: 1, out: '', err: /no answer within 1 s/ },
      `${asking[index]}`,
    );
  }
  for (const line of ['ports', 'diff', 'publish --list']) {
    t.match(answers[asking.indexOf(line)]?.err, /and its records: listing the records/, line);
  }
});

t.test('a bundle is made of what else is there, and waits once', async (t) => {
  const { code, out } = await run('diags --preview --json');
  t.equal(code, 4);
  t.match(documentOf(out).warnings.join('\n'), /events\.json is not in it/);
});

t.test('Ctrl-C before anything was answered is no failure', async (t) => {
  const end = new AbortController();
  const running = run('events --follow', end);
  end.abort();
  t.match(await running, { code: 0, out: '', err: '' });
});
