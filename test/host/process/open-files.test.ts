import { closeSync, openSync, readdirSync } from 'node:fs';
import { release } from 'node:os';
import t from 'tap';
import { openFilesOf } from '../../../src/host/process/open-files.js';

t.test('as many as the folder has names, where the kernel counts', async (t) => {
  t.equal(await openFilesOf(0x7fff_fff0), undefined, 'nobody');
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    t.equal(await openFilesOf(process.pid), undefined);
    return;
  }
  const files = Array.from({ length: 20 }, () => openSync('/dev/null', 'r'));
  // The list has the descriptor by which it is read.
  t.equal(await openFilesOf(process.pid), readdirSync('/proc/self/fd').length - 1);
  for (const file of files) closeSync(file);
});
