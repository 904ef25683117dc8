/** See scripts/test, which installs what is missing and then runs this. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { uncovered } from './tests/coverage.js';
import { chosenParts, engines, type Part } from './tests/parts.js';
import { type FileResult, sum, TapResults } from './tests/results.js';
import { endAll, runShown } from './tests/run.js';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const coverageSummary = '.tap/report/coverage-summary.json';
/**
 * How long all parts may take together, in minutes, before what runs is ended and the rest is not begun. CI
 * ends the whole machine after 90, and then nobody learns which test it was that took so long.
 */
const mostMinutes = Number(process.env['TSBRIDGE_TEST_MINUTES'] ?? 84);
const tooLong = `the tests take more than ${mostMinutes} minutes`;
let late = false;
/** As lines of the summary: `PART: …`. */
const failed: string[] = [];
const flaky: string[] = [];
let total = sum([]);

const say = (text: string) => process.stderr.write(`\x1b[1m== ${text}\x1b[0m\n`);

function count(part: string, result: FileResult): void {
  const { passed, failed: failures, skipped } = result;
  total = sum([total, result]);
  failed.push(...result.failures.map((failure) => `${part}: ${failure}`));
  say(`${part}: ${passed} passed, ${failures} failed${skipped ? `, ${skipped} skipped` : ''}`);
}

const oneFailure = (what: string): FileResult => ({ ...sum([]), failed: 1, failures: [what] });

async function runTap(command: readonly [string, ...string[]]) {
  const results = new TapResults();
  const { status } = await runShown(command, (text) => results.write(text));
  results.end();
  return { results, status };
}

/**
 * A machine that others use, too, can be too slow for a test once. The files that failed run a second
 * time, alone, and what they say then counts; those that pass now are listed as flaky.
 */
async function runAgain(part: string, results: TapResults): Promise<void> {
  const files = results.failedFiles();
  say(`${part}, a second time: ${files.join(' ')}`);
  const flags = ['--disable-coverage', '--timeout=900', '--jobs=1'];
  const again = await runTap(['npx', 'tap', 'run', ...flags, ...files]);
  for (const file of files) {
    const second = again.results.files.get(file);
    if (second === undefined) continue;
    if (second.failed === 0) {
      const reasons = results.files.get(file)?.failures ?? [];
      flaky.push(`${part}: ${file}, which failed at first in: ${reasons.join('; ')}`);
    }
    results.files.set(file, second);
  }
}

/** Runs the tests of a part; all of them once more if tap's time limit ended the run before all had been run. */
async function runTests(part: string, command: readonly [string, ...string[]]) {
  const first = await runTap(command);
  if (late) first.results.faults.push(tooLong);
  if (late || !first.results.cut) return first;
  const reasons = first.results.totals().failures;
  say(`${part}, a second time, since the first ran into its limit`);
  const second = await runTap(command);
  if (second.results.cut) second.results.faults.push('both runs ran into their limit');
  else flaky.push(`${part}: all of it, which ran into its limit at first: ${reasons.join('; ')}`);
  return second;
}

async function runPart({ name, script, tap }: Part): Promise<void> {
  const command = ['npm', 'run', '--silent', script] as const;
  say(`${name}: ${command.join(' ')}`);
  if (!tap) {
    const { status } = await runShown([...command]);
    count(name, status === 0 ? { ...sum([]), passed: 1 } : oneFailure(`${script} says no`));
    return;
  }
  if (name === 'unit') rmSync(coverageSummary, { force: true });
  const { results, status } = await runTests(name, command);
  const anyFailed = results.failedFiles().length > 0;
  if (anyFailed && !late) await runAgain(name, results);
  const outcome = [results.totals(), ...results.faults.map(oneFailure)];
  if (name === 'unit' && !late) outcome.push(...findUncovered().map(oneFailure));
  // Whatever it is that tap found wrong and did not say.
  const unexplained = status !== 0 && !anyFailed && sum(outcome).failed === 0;
  if (unexplained) outcome.push(oneFailure(`no test failed, yet the status is ${status}`));
  if (results.files.size === 0) outcome.push(oneFailure('no test has run'));
  count(name, sum(outcome));
}

function findUncovered(): string[] {
  if (!existsSync(coverageSummary)) return ['there is no summary of coverage'];
  return uncovered(JSON.parse(readFileSync(coverageSummary, 'utf8')), root);
}

/** One after the other; the answer is what they said if one could not be built. */
async function buildEngines(): Promise<string | undefined> {
  for (const engine of engines) {
    let said = '';
    const keep = (text: string): void => {
      said += text;
    };
    const { status } = await runShown(['scripts/engine-root', engine], keep, false);
    if (status !== 0) return said;
  }
  return undefined;
}

process.chdir(root);
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => process.exit(status));
}
process.once('exit', () => endAll());

const chosen = chosenParts(process.argv.slice(2));
const needsEngines = chosen.some(({ name }) => name === 'engine');
// Beside everything else.
const building = needsEngines ? buildEngines() : undefined;
const deadline = setTimeout(() => {
  late = true;
  endAll();
  // Those that clean up after themselves get the time for it.
  setTimeout(() => endAll('SIGKILL'), 60_000).unref();
}, mostMinutes * 60_000);
for (const part of chosen) {
  if (late) {
    count(part.name, oneFailure(`not run: ${tooLong}`));
    continue;
  }
  const fault = part.name === 'engine' ? await building : undefined;
  if (fault === undefined) {
    await runPart(part);
    continue;
  }
  process.stderr.write(fault);
  count(part.name, oneFailure('the engines could not be built'));
}

clearTimeout(deadline);

// Once more, where nobody has to look for it.
if (flaky.length > 0) say(`${flaky.length} flaky:\n${flaky.join('\n')}`);
if (failed.length > 0) say(`failed:\n${failed.join('\n')}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
