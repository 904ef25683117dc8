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
  t.equal(await sandboxes.isThere('/no/such/folder/5022eca72760'), true, 'the folder is not seen');
});

t.test('a folder of sandboxes that is bound in without propagation shows none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const mountInfo = join(folder, 'mountinfo');
  const look = async (point: string, tags: string) => {
    writeFileSync(
      mountInfo,
      `27 1 8:1 / / rw - ext4 /dev/sda rw\n99 27 0:24 /x ${point} ro${tags} - tmpfs t rw\n`,
    );
    return new SandboxFiles(mountInfo).isThere(join(folder, '5022eca72760'));
  };
  t.equal(await look(folder, ''), true, 'private: a namespace would not be seen');
  t.equal(await look(folder, ' master:5'), false, 'rslave');
  t.equal(await look(folder, ' shared:5'), false);
  t.equal(await look('/other', ''), false);
  t.equal(await new SandboxFiles('/no/such/file').isThere(join(folder, 'x')), true);
});
