/** No deadline and no duration goes by the clock on the wall, which NTP and administrators set. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** File → what it needs the time of day for. Whatever else measures time asks `performance.now()`. */
const mayAsk: Readonly<Record<string, string>> = {
  'src/operator/status.ts': 'shows an operator when the daemon was started',
  'src/cli/table/kinds.ts': 'turns how long ago into a time',
  'src/operator/events/ring.ts': 'dates events, as the log dates its lines',
  'src/operator/events/query.ts': 'shows when events were',
  'test/operator/events/events.test.ts': 'what the above shows',
  'test/admin/events.test.ts': 'dates events',
  'src/driver/publications/operations.ts': 'records when ports were published',
  'src/driver/usecases/ports/bind-ports.ts': 'records when ports were published',
  'src/cli/define.ts': 'dates documents',
  'src/cli/commands/look/trace.ts': 'dates lines',
  'src/cli/trace/session.ts': 'dates packets, as events are dated',
  'src/operator/names/as-of.ts': 'shows people as of when names are right',
  'src/driver/repair/debounce.ts': 'shows an operator when the last repair was',
  'test/driver/repair/debounce.test.ts': 'what the above shows',
  'test/kernel/store.test.ts': 'dates files',
  'test/lab/strike.ts': 'compares with the time in log lines',
  'test/fuzz/random.ts': 'a seed',
  'test/churn/command-line.ts': 'a seed',
  'test/churn/soak-main.ts': 'the time before each line of output',
  'src/operator/metrics/gauges.ts': 'tells how old the names are, which are dated',
  'bench/bench.ts': 'dates the results',
  'bench/bare-host.ts': 'compares with the time in log lines',
};

const timeOfDay =
  /\bDate\s*\.\s*now\b|\bnew\s+Date\b|\bDate\s*\(|\bperformance\s*\.\s*timeOrigin\b/;

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|mts|mjs|js)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

const own = relative(root, fileURLToPath(import.meta.url));
const folders = ['src', 'test', 'bench', 'scripts'].filter((name) => existsSync(join(root, name)));
const asking = folders
  .flatMap((name) => sources(join(root, name)))
  .filter((name) => name !== own && timeOfDay.test(readFileSync(join(root, name), 'utf8')))
  // Adds what has passed since the process began to when it began: steps of the clock do not count.
  .filter((name) => name !== 'src/driver/clock.ts');

t.test('only the named places ask for the time of day', (t) => {
  t.ok(folders.length >= 3 && asking.length > 3, 'the sources are found');
  t.strictSame(
    asking.filter((name) => !(name in mayAsk)),
    [],
    'deadlines and durations are measured with performance.now()',
  );
  t.end();
});

t.test('each of the named places still does', (t) => {
  t.strictSame(
    Object.keys(mayAsk).filter((name) => !asking.includes(name)),
    [],
  );
  t.end();
});
