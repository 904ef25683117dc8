import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import t from 'tap';
import { errnoText, inGoWords } from '../../src/core/errno.js';
import { messageOf } from '../../src/core/errors.js';

t.test('an error of the kernel has the words that Docker has for it', async (t) => {
  for (const [code, text] of [
    ['EINVAL', 'invalid argument'],
    ['EADDRNOTAVAIL', 'cannot assign requested address'],
    ['EEXIST', 'file exists'],
    ['EBUSY', 'device or resource busy'],
    ['ENOMEM', 'cannot allocate memory'],
  ] as const) {
    t.equal(errnoText(code), text);
  }
  t.equal(errnoText('EWHAT'), 'EWHAT', 'what has no words keeps its code');
});

t.test('every error that Node.js can name for the kernel has words', async (t) => {
  // What libuv has of its own, or names for what other systems have.
  const others =
    /^(EOF|UNKNOWN|ECANCELED|ECHARSET|EFTYPE|EREMOTEIO|ENONET|EILSEQ|ENOTTY|EUNATCH|EAI_.*)$/;
  const missing = [...getSystemErrorMap().values()]
    .map(([code]) => code)
    .filter((code) => !others.test(code) && errnoText(code) === code);
  t.same(missing, []);
});

t.test('errors of Node.js say what was done and then why', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-errno-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const missing = join(folder, 'x');
  const reading = (): string => {
    try {
      return readFileSync(missing, 'utf8');
    } catch (error) {
      return messageOf(error);
    }
  };
  t.equal(reading(), `open '${missing}': no such file or directory`);
  const failure = (socket: net.Socket | net.Server): Promise<string> =>
    new Promise((resolve) => {
      socket.on('error', (error) => resolve(messageOf(error)));
    });
  t.equal(await failure(net.connect(missing)), `connect ${missing}: no such file or directory`);
  const server = net.createServer().listen(missing);
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const taken = await failure(net.createServer().listen(missing));
  t.equal(taken, `listen ${missing}: address already in use`);
  t.equal(inGoWords('spawn /bin/x ENOENT'), 'spawn /bin/x: no such file or directory');
  t.equal(inGoWords('write EPIPE'), 'write: broken pipe');
  t.equal(inGoWords('EMFILE: too many open files'), 'too many open files');
});

t.test('other messages stay as they are', async (t) => {
  for (const message of [
    'no address',
    'E',
    'creating link br-app: file exists (EEXIST)',
    'x EWHAT y',
  ]) {
    t.equal(inGoWords(message), message);
  }
});
