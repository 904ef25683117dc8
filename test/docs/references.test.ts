/** What the documents refer to exists: files, headings, tests. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

function documentsIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return documentsIn(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...documentsIn('docs')];

/** The anchor that GitHub makes of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));

t.test('every link in a document leads to a file and a heading that exist', (t) => {
  let links = 0;
  for (const document of documents) {
    for (const [, path = '', anchor] of read(document).matchAll(
      /\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g,
    )) {
      const target = path === '' ? document : join(dirname(document), path);
      links += 1;
      if (!existsSync(join(root, target))) t.fail(`${document}: no file ${target}`);
      else if (anchor !== undefined && !anchorsOf(read(target)).includes(anchor))
        t.fail(`${document}: no heading #${anchor} in ${target}`);
    }
  }
  t.ok(links > 20, 'the links are found');
  t.end();
});

t.test('docs/reliability.md names a test that exists in every row of a promise', (t) => {
  let promises = 0;
  let inTable = false;
  for (const line of read('docs/reliability.md').split('\n')) {
    if (!line.startsWith('|')) inTable = false;
    else if (line.startsWith('| promise | test |')) inTable = true;
    else if (inTable && !line.startsWith('|---')) {
      promises += 1;
      const tests = [...line.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path);
      if (tests.length === 0) t.fail(`no test: ${line}`);
      for (const path of tests) t.ok(existsSync(join(root, path)), path);
    }
  }
  t.ok(promises > 30, 'the promises are found');
  t.end();
});
