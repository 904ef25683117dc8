/** What a run of tap says, read from its protocol: results by file, and what failed, by name. */
import { Parser, type Result } from 'tap-parser';

export interface FileResult {
  passed: number;
  failed: number;
  skipped: number;
  /** Each `subtest › assertion`. */
  readonly failures: string[];
}

/** The name that tap gives its own time limit among the results, where a file's path stands otherwise. */
const ownLimit = 'timeout!';

/** A parser that text is written to while the tests run; read it after `end`. */
export class TapResults {
  /** By the path that tap names. */
  readonly files = new Map<string, FileResult>();
  /** What is wrong with the run as a whole: it gave up, or its output breaks off. */
  readonly faults: string[] = [];
  /** Whether tap's own time limit ended the run, so that files may not have run at all. */
  cut = false;
  readonly #parser = new Parser();

  constructor() {
    let open: string | undefined;
    this.#parser.on('child', ({ name }: Parser) => {
      open = name;
    });
    follow(this.#parser, [], (result, file) => {
      if (open === undefined && result.name === ownLimit) this.cut = true;
      else this.files.set(result.name, file);
      open = undefined;
    });
    this.#parser.on('bailout', (reason) => this.faults.push(`bailed out: ${reason}`));
    this.#parser.on('complete', ({ failures }) => {
      if (open !== undefined) this.faults.push(`the output breaks off in ${open}`);
      for (const failure of failures) {
        if (!('id' in failure)) this.faults.push(failure.tapError ?? 'not the output of tap');
      }
    });
  }

  write(text: string): void {
    this.#parser.write(text);
  }

  end(): void {
    this.#parser.end();
  }

  failedFiles(): string[] {
    return [...this.files].filter(([, { failed }]) => failed > 0).map(([file]) => file);
  }

  totals(): FileResult {
    return sum([...this.files.values()]);
  }
}

export function sum(results: readonly FileResult[]): FileResult {
  const total: FileResult = { passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const { passed, failed, skipped, failures } of results) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    total.failures.push(...failures);
  }
  return total;
}

/** Calls `done` for each result of this parser, with the sum of what it stands for. */
function follow(
  parser: Parser,
  path: readonly string[],
  done: (result: Result, counted: FileResult) => void,
): void {
  let inside: FileResult | undefined;
  parser.on('child', (child: Parser) => {
    const counted = sum([]);
    inside = counted;
    follow(child, [...path, child.name], (_, each) => Object.assign(counted, sum([counted, each])));
  });
  parser.on('assert', (result: Result) => {
    // A subtest's own line repeats what was in it, unless it has failed as a whole: a time limit, a
    // plan that was not met, a process that crashed; or passed without a single assertion.
    const counted = inside ?? sum([]);
    const leaf = inside === undefined;
    inside = undefined;
    if (result.skip || result.todo) {
      counted.skipped += 1;
    } else if (!result.ok && (leaf || counted.failed === 0)) {
      counted.failed += 1;
      counted.failures.push([...path, result.name].join(' › '));
    } else if (result.ok && (leaf || counted.passed + counted.failed + counted.skipped === 0)) {
      counted.passed += 1;
    }
    done(result, counted);
  });
}
