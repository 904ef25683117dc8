/** Compares the kernel's count of this process's pages before and after they are given back. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { UnusedMemory } from '../src/unused-memory.js';

/** MB of files that are mapped into this process. */
function mappedFiles(): number {
  const [, kilobytes] =
    /^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

t.test('pages of the program file go, and come back as they are used', async (t) => {
  const memory = new UnusedMemory();
  const before = mappedFiles();
  await memory.releaseProgram();
  const after = mappedFiles();
  t.ok(after < before / 2, `${before.toFixed(1)} MB, then ${after.toFixed(1)} MB`);
  // This calls parts of Node.js that the release itself has not used: their pages have to come back.
  t.equal(JSON.stringify(structuredClone({ a: [/b/u.exec('b')?.[0]] })), '{"a":["b"]}');
  await memory.releaseProgram();
});

t.test('the process goes on after the allocator was trimmed', async (t) => {
  await new UnusedMemory().trimAllocator();
  t.pass('the call returns');
});
