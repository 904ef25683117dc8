/** How long a file may be. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..');

t.test('no file of code has more than 300 lines', (t) => {
  // Files without an ending are scripts; all other kinds are data, such as golden files.
  const isCode = (name: string) => /(?:^|\/)[^./]+$|\.(?:ts|mjs|js|sh|py)$/.test(name);
  const linesOf = (path: string) =>
    readFileSync(join(repository, path), 'utf8').split('\n').length - 1;
  for (const folder of ['src', 'test', 'bench', 'scripts', 'packaging']) {
    const code = readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(repository, join(entry.parentPath, entry.name)))
      .filter(isCode);
    t.ok(code.length > 10, `${folder}: the files are found`);
    t.strictSame(
      code.filter((path) => linesOf(path) > 300),
      [],
    );
  }
  t.end();
});
