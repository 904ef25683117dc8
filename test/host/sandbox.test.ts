/** What counts as a container's sandbox that is still there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { SandboxFiles } from '../../src/host/sandbox.js';

t.test('a namespace, and what is left where one was', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const sandboxes = new SandboxFiles();
  t.equal(await sandboxes.isThere('/proc/self/ns/net'), true);
  const file = join(folder, '5022eca72760');
  t.equal(await sandboxes.isThere(file), false, 'no file');
  writeFileSync(file, '');
  t.equal(await sandboxes.isThere(file), false, 'the engine unmounts first, and then removes it');
  t.equal(await sandboxes.isThere(join(file, 'x')), false);
  t.equal(await sandboxes.isThere('/proc/self/ns/\0'), true, 'what cannot be found out');
});
