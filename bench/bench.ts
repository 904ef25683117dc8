/**
 * `npm run bench`: tsbridge beside the engine's built-in driver, on one real engine, in turn, in
 * one run; and what happens inside of our daemon as a host fills up. Prints medians and ratios, and
 * writes them as JSON. Each row, and what it must reach, is in docs/performance.md.
 *
 *   npm run bench -- [--suite bookworm|trixie|forky] [--rows REGEX] [--rounds N] [--slow-rounds N]
 *                    [--ports 0,1,10,100,1000] [--size 1000] [--gigabytes 10] [--json FILE]
 *                    [--markdown] [--compare] [--list]
 *
 *   --rows         only rows that match: `--rows '^start'`, `--rows 'flat|adoption'`
 *   --slow-rounds  of the built-in driver with 1,000 ports and more: it takes minutes for each
 *   --size         how many networks and endpoints fill the host up
 *   --compare      beside what docs/performance.md says for this engine
 *   --list         the names of the rows, and nothing else
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, release } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Lab } from '../test/lab/lab.js';
import { bareRows } from './bare-names.js';
import { compare, engineRuns, rowsOf } from './engine-rows.js';
import { type Figure, figure } from './figure.js';
import { longestStall } from './handler-times.js';
import { inventoryRows, measureInventory } from './inventory-rows.js';
import { fetchNetavark } from './netavark.js';
import { measureProxy, proxyRows } from './proxy-rows.js';
import { committedFigures, header, markdown, tableLine } from './report.js';

const suites = ['bookworm', 'trixie', 'forky'] as const;
const generations = { bookworm: 'docker20', trixie: 'docker20', forky: 'docker28' } as const;
const stallRow = 'longest stall: rows with an engine';

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'bookworm' },
    rows: { type: 'string', default: '' },
    rounds: { type: 'string', default: '7' },
    'slow-rounds': { type: 'string', default: '1' },
    ports: { type: 'string', default: '0,1,10,100,1000' },
    size: { type: 'string', default: '1000' },
    gigabytes: { type: 'string', default: '10' },
    /** How the daemon of the rows without an engine writes rules: `auto` or `restore`. */
    'rule-backend': { type: 'string', default: 'auto' },
    json: { type: 'string' },
    markdown: { type: 'boolean', default: false },
    compare: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const suite = suites.find((name) => name === values.suite);
if (suite === undefined)
  throw new Error(`--suite: ${values.suite} is none of ${suites.join(', ')}`);
const number = (name: 'rounds' | 'slow-rounds' | 'size' | 'gigabytes', least: number): number => {
  const value = Number(values[name]);
  if (!(value >= least)) throw new Error(`--${name}: a number from ${least} on`);
  return value;
};
const rounds = number('rounds', 1);
const slowRounds = number('slow-rounds', 1);
const size = number('size', 40);
const gigabytes = number('gigabytes', 0.1);
const ports = values.ports.split(',').map(Number);
if (ports.some((port) => !(port >= 0))) throw new Error('--ports: numbers');
const pattern = new RegExp(values.rows);
const wanted = (row: string): boolean => pattern.test(row);

const runs = engineRuns(ports, slowRounds).filter((run) => rowsOf(run).some(wanted));
const proxied = Object.values(proxyRows).some(wanted);
const bare = bareRows.filter(wanted);
if (values.list) {
  const asked = inventoryRows;
  const names = [
    ...runs.flatMap(rowsOf),
    ...Object.values(proxyRows),
    stallRow,
    ...bareRows,
    ...asked,
  ];
  console.log(names.filter(wanted).join('\n'));
  process.exit(0);
}

const json = values.json ?? `bench-results/${suite}.json`;
const figures: Figure[] = [];
let committed = new Map<string, number>();
let engine = '';

const began = performance.now();
if (runs.length > 0 || proxied || bare.length > 0) await measureOnEngine(suite);
if (bare.length > 0) for (const found of await measureBare()) print(found);
if (inventoryRows.some(wanted)) {
  for (const found of await measureInventory(rounds)) if (wanted(found.row)) print(found);
}

const result = { date: new Date().toISOString(), engine, linux: release(), rounds, figures };
mkdirSync(dirname(json), { recursive: true });
writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
if (values.markdown) console.log(`\n${markdown(figures)}`);
const missed = figures.filter(({ met }) => met === false).map(({ row }) => row);
console.log(`\n${figures.length} rows in ${((performance.now() - began) / 1000).toFixed(0)} s`);
console.log(missed.length === 0 ? 'every target reached' : `missed: ${missed.join('; ')}`);
console.log(`written to ${json}`);

async function measureOnEngine(name: (typeof suites)[number]): Promise<void> {
  const lab = await Lab.create({ suite: name });
  try {
    const daemon = await lab.spawnTsbridge();
    engine = (await lab.docker('version', '--format', '{{.Server.Version}}')).trim();
    const text = readFileSync(new URL('../docs/performance.md', import.meta.url), 'utf8');
    if (values.compare) committed = committedFigures(text, engine);
    const date = new Date().toISOString().slice(0, 10);
    console.log(
      `Docker ${engine}, Linux ${release()} ${arch()}, ${cpus().length} processors, ` +
        `Node.js ${process.versions.node}, ${date}; medians of ${rounds} rounds\n`,
    );
    console.log(header);
    const host = { lab, daemon, generation: generations[name] };
    for (const run of runs) {
      for (const found of await compare(host, run, rounds)) if (wanted(found.row)) print(found);
    }
    if (proxied) {
      const settings = { rounds: Math.min(rounds, 3), gigabytes };
      for (const found of await measureProxy(host, settings, wanted)) print(found);
    }
    await lab.killTsbridge();
    if (!wanted(stallRow) || (runs.length === 0 && !proxied)) return;
    const tsbridge = longestStall(daemon.process.lines);
    print(figure({ row: stallRow, unit: 'ms', tsbridge }));
  } finally {
    await lab.dispose();
  }
}

/** In a process of its own, which moves to a network namespace of its own. */
async function measureBare(): Promise<Figure[]> {
  const script = fileURLToPath(new URL('./bare-rows.ts', import.meta.url));
  // Only the first process is where the download can be reached.
  const netavark = bare.some((row) => row.includes('netavark')) ? await fetchNetavark() : [];
  const args = [
    ...['--rows', values.rows, '--size', String(size)],
    ...['--netavark', JSON.stringify(netavark)],
    ...['--rule-backend', values['rule-backend']],
  ];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import=tsx', script, ...args, '--generation', generations[suite ?? 'bookworm']],
    { maxBuffer: 64 << 20 },
  );
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '[]') as Figure[];
}

function print(found: Figure): void {
  figures.push(found);
  console.log(tableLine(found, committed.get(found.row)));
}
