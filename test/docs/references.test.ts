/** What the documents refer to exists: files, headings, tests. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
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

t.test('every file of the repository that a document names exists', (t) => {
  let names = 0;
  for (const document of documents) {
    // Measurements are dated: they name what was there then.
    if (document.startsWith('docs/measurements/')) continue;
    for (const [, path = ''] of read(document).matchAll(
      /`((?:src|test|docs|scripts|systemd|bench)\/[\w./-]+)`/g,
    )) {
      names += 1;
      if (!existsSync(join(root, path))) t.fail(`${document}: ${path}`);
    }
  }
  t.ok(names > 80, 'the names are found');
  t.end();
});

t.test('every file that docs/architecture.md or a decision names below src exists', (t) => {
  let names = 0;
  for (const document of documents.filter((path) => /^docs\/(adr\/|architecture)/.test(path))) {
    for (const [, path = ''] of read(document).matchAll(/`([\w-]+(?:\/[\w-]+)*\.ts)`/g)) {
      if (path.startsWith('src/') || path.startsWith('test/')) continue;
      names += 1;
      if (!existsSync(join(root, 'src', path))) t.fail(`${document}: ${path}`);
    }
  }
  t.ok(names > 10, 'the names are found');
  t.end();
});

t.test('every file in the drawings of docs/architecture.md exists', (t) => {
  const drawings = [...read('docs/architecture.md').matchAll(/```mermaid\n(.*?)```/gs)];
  t.equal(drawings.length, 5, 'the layout and four trips');
  for (const [, drawing = ''] of drawings) {
    for (const [, label = ''] of drawing.matchAll(/\["(.*?)"\]/g)) {
      // A label is `FOLDER/<br>FILE, FILE` or `FILE<br>words`.
      const [, folder = ''] = /^(\S+\/)<br>/.exec(label) ?? [];
      for (const [path] of label
        .replace(`${folder}<br>`, '')
        .matchAll(/[\w/-]+(?:\.ts|\/(?=<|,|$))/g)) {
        const known = path === 'host.ts' ? 'driver/host.ts' : folder + path;
        t.ok(existsSync(join(root, 'src', known)), known);
      }
    }
  }
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

/** Every text of the repository that may cite a paragraph: path → text, comment signs taken out. */
function* citingTexts(): Generator<[path: string, text: string]> {
  for (const folder of ['src', 'test', 'bench', 'scripts', 'systemd', 'docs']) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && /\.(?:ts|mjs|md|sh|txt|service|socket)$/.test(entry.name)) {
        const text = readFileSync(path, 'utf8').replace(/\s*\n\s*(?:\*|\/\/|#)?\s*/g, ' ');
        yield [relative(root, path), text];
      }
    }
  }
}

t.test(
  'every cited paragraph of docs/docker-bridge.md exists, and no other paper is cited',
  (t) => {
    const paragraphs = new Set(
      [...read('docs/docker-bridge.md').matchAll(/^\*\*(\d+\.\d+)\*\* /gm)].map(
        ([, number]) => number,
      ),
    );
    t.ok(paragraphs.size > 40, 'the paragraphs are found');
    let citations = 0;
    for (const [path, text] of citingTexts()) {
      for (const [, numbers = ''] of text.matchAll(
        /docs\/docker-bridge\.md ((?:\d+\.\d+(?:, | and | to )?)+)/g,
      )) {
        for (const number of numbers.match(/\d+\.\d+/g) ?? []) {
          citations += 1;
          if (!paragraphs.has(number)) t.fail(`${path}: no paragraph ${number}`);
        }
      }
      if (/\bspec(?:ification)?\s+sections?\s+\d|\(spec\s+\d/.test(text))
        t.fail(`${path}: "spec section"`);
    }
    t.ok(citations > 40, 'the citations are found');
    t.end();
  },
);

t.test('the paragraphs of docs/docker-bridge.md are numbered without a gap', (t) => {
  const text = read('docs/docker-bridge.md');
  for (const part of text.split(/^## /m).slice(1)) {
    const [, chapter] = /^(\d+)\. /.exec(part) ?? [];
    const numbers = [...part.matchAll(/^\*\*(\d+\.\d+)\*\* /gm)].map(([, number]) => number);
    t.strictSame(
      numbers,
      numbers.map((_, index) => `${chapter}.${index + 1}`),
      `part ${chapter}`,
    );
  }
  t.end();
});

t.test('each figure in README.md is the one of docs/performance.md', (t) => {
  const performance = read('docs/performance.md').split(/^### Docker /m);
  const rowOf = (engine: string, row: string) => {
    const section = performance.find((text) => text.startsWith(engine)) ?? '';
    const line = section.split('\n').find((each) => each.startsWith(`| ${row} |`)) ?? '';
    return line
      .split('|')
      .slice(2, 4)
      .map((cell) => cell.trim());
  };
  const [, table = ''] =
    /^\| \| built-in 20\.10\.24 .*\n\|---.*\n((?:\|.*\n)+)/m.exec(read('README.md')) ?? [];
  const rows = table.trimEnd().split('\n');
  t.ok(rows.length > 3, 'the table is found');
  for (const each of rows) {
    const [, row = '', ...figures] = each.split('|').map((cell) => cell.trim());
    t.strictSame(figures.slice(0, 4), [...rowOf('20.10.24', row), ...rowOf('28.5.2', row)], row);
  }
  t.end();
});
