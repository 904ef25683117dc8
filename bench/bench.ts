/**
 * `npm run bench`: tsbridge beside the engine's built-in driver, on one real engine, in turn, in
 * one run. Prints medians and ratios, and writes them as JSON.
 *
 *   npm run bench -- [--suite bookworm|trixie|forky] [--rounds N] [--ports 0,1,10,100] [--json FILE]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, release } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { Lab } from '../test/lab/lab.js';
import { basicRows, median, type Row, removeRow, startRow } from './measure.js';

const suites = ['bookworm', 'trixie', 'forky'] as const;
const drivers = ['bridge', 'tsbridge'] as const;

interface Result {
  readonly row: string;
  readonly bridgeMs: number;
  readonly tsbridgeMs: number;
  /** How many times faster than the built-in driver. */
  readonly ratio: number;
}

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'bookworm' },
    rounds: { type: 'string', default: '7' },
    ports: { type: 'string', default: '0,1,10,100' },
    json: { type: 'string', default: 'bench-results/bench.json' },
  },
});
const suite = suites.find((name) => name === values.suite);
if (suite === undefined)
  throw new Error(`--suite: ${values.suite} is none of ${suites.join(', ')}`);
const rounds = Number(values.rounds);
const ports = values.ports.split(',').map(Number);
if (!(rounds >= 1) || ports.some((port) => !(port >= 0)))
  throw new Error('--rounds, --ports: numbers');

const rows: readonly Row[] = [...basicRows, ...ports.map(startRow), ...ports.map(removeRow)];
const lab = await Lab.create({ suite });
try {
  await lab.spawnTsbridge();
  const version = (await lab.docker('version', '--format', '{{.Server.Version}}')).trim();
  console.log(`Docker ${version}, Linux ${release()} ${arch()}, ${cpus().length} processors,`);
  console.log(`${new Date().toISOString().slice(0, 10)}, medians of ${rounds} rounds in ms\n`);
  console.log(line('', 'built-in', 'tsbridge', 'ratio'));
  const results: Result[] = [];
  for (const row of rows) results.push(await compare(row));
  mkdirSync(dirname(values.json), { recursive: true });
  const date = new Date().toISOString();
  writeFileSync(
    values.json,
    `${JSON.stringify({ date, engine: version, rounds, results }, null, 2)}\n`,
  );
  console.log(`\nwritten to ${values.json}`);
} finally {
  await lab.dispose();
}

/** The drivers take turns within a round, so that drift of the machine hits both. */
async function compare(row: Row): Promise<Result> {
  const times = { bridge: [] as number[], tsbridge: [] as number[] };
  // One round that does not count: the first call of each kind loads modules and caches.
  for (let round = 0; round <= rounds; round += 1) {
    for (const driver of round % 2 === 0 ? drivers : drivers.toReversed()) {
      const time = await row.run(lab, driver);
      if (round > 0) times[driver].push(time);
    }
  }
  const bridgeMs = median(times.bridge);
  const tsbridgeMs = median(times.tsbridge);
  const result = { row: row.name, bridgeMs, tsbridgeMs, ratio: bridgeMs / tsbridgeMs };
  console.log(line(row.name, ms(bridgeMs), ms(tsbridgeMs), `${result.ratio.toFixed(2)} ×`));
  return result;
}

function ms(value: number): string {
  return value.toFixed(1);
}

function line(name: string, ...cells: string[]): string {
  return name.padEnd(24) + cells.map((cell) => cell.padStart(12)).join('');
}
