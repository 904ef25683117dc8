/** The benchmark still runs, and its figures have a form that can be compared. No time is asserted. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { type Figure, figure } from '../../bench/figure.js';
import { callsIn, longestStall } from '../../bench/handler-times.js';
import { median, percentile } from '../../bench/measure.js';
import { committedFigures, markdown, tableLine } from '../../bench/report.js';

const bench = fileURLToPath(new URL('../../bench/bench.ts', import.meta.url));

t.test('a short run, with a row of each kind', { timeout: 600_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-bench-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const json = join(folder, 'out.json');
  const options = {
    rounds: '1',
    ports: '1',
    size: '40',
    gigabytes: '0.1',
    rows: 'network (create|rm)|1 ports|one port|proxy: (TCP|UDP)|of all calls|memory, idle|flat|adoption|repair|stall',
    json,
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import=tsx', bench, ...flags, '--markdown', '--compare'],
    { timeout: 600_000 },
  );
  t.comment(stdout);
  const { engine, figures } = JSON.parse(readFileSync(json, 'utf8')) as {
    engine: string;
    figures: Figure[];
  };
  t.match(engine, /^20\.10\./);
  t.same(
    figures.filter(({ tsbridge }) => !Number.isFinite(tsbridge)),
    [],
    'every row has a value',
  );
  const rows = figures.map(({ row }) => row);
  t.same(rows.toSorted(), [
    '10 GB through the proxy: p99 of all calls',
    'adoption: packets lost',
    'adoption: rules rewritten',
    'adoption: start to serving',
    'flat: last endpoint beside the first',
    'flat: last network beside the first',
    'flat: last port beside the first',
    "flat: last port beside the kernel's floor",
    'flat: last port in a map beside the first',
    'longest stall: 1000 ports',
    'longest stall: adoption and repair',
    'longest stall: endpoints and ports',
    'longest stall: networks',
    'longest stall: rows with an engine',
    'memory, idle',
    'network create',
    'network rm',
    'proxy: TCP throughput',
    'proxy: UDP packets',
    'publish one port, idle: p50',
    'publish one port, idle: p99',
    'remove, 1 ports',
    'remove, 1 ports: in our handlers',
    'repair after iptables -F',
    'start, 1 ports',
    'start, 1 ports: in our handlers',
  ]);
  const beside = figures.filter(({ builtIn }) => builtIn !== undefined).map(({ row }) => row);
  t.same(beside.length, 6, `measured with both: ${beside.join('; ')}`);
  const value = (row: string) => figures.find((found) => found.row === row)?.tsbridge;
  t.equal(value('adoption: rules rewritten'), 0);
  t.equal(value('adoption: packets lost'), 0);
});

t.test('a table of the bench is read back as the figures that it was made of', async (t) => {
  const figures = [
    figure({ row: 'network create', unit: 'ms', builtIn: 60, tsbridge: 12 }),
    figure({ row: 'proxy: new connections', unit: '/s', builtIn: 2000, tsbridge: 1000 }),
    figure({ row: 'memory, idle', unit: 'MB', tsbridge: 49.7 }),
  ];
  t.match(figures, [
    { ratio: 5, met: true },
    { ratio: 0.5, met: false },
    { met: true, target: { atMost: 50 } },
  ]);
  const text = `# Performance\n\n## Docker 20.10.24\n\nwords\n\n${markdown(figures)}\n\n## Docker 28.5.2\n`;
  const committed = committedFigures(text, '20.10.5');
  t.same(
    [...committed],
    [
      ['network create', 12],
      ['proxy: new connections', 1000],
      ['memory, idle', 49.7],
    ],
  );
  t.same([...committedFigures(text, '28.5.2')], []);
  const [first] = figures;
  if (first === undefined) throw new Error('no figure');
  t.match(
    tableLine(first, 10),
    /60 ms +12 ms +5\.00 × +≥ 3 × {2}reached {2}committed: 10 ms \(\+20 %\)/,
  );
});

t.test('the bench takes handler times from the log, and medians of many', async (t) => {
  const line = (fields: object) => JSON.stringify(fields);
  const lines = [
    'no JSON',
    line({ msg: 'call', method: 'NetworkDriver.Join', durationMs: 1.5, outcome: 'ok' }),
    line({ msg: 'stopping', longestStallMs: 7 }),
  ];
  t.same(callsIn(lines), [{ method: 'Join', durationMs: 1.5 }]);
  t.throws(() => callsIn([line({ msg: 'call', outcome: 'error' })]), /a call failed/);
  t.equal(longestStall(lines), 7);
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.equal(
    percentile(
      Array.from({ length: 200 }, (_, index) => index),
      0.99,
    ),
    197,
  );
});
