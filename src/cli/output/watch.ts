/** `--watch`: the same report again and again, on a terminal in place, elsewhere when it has changed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../core/errors.js';
import type { Terminal } from '../terminal.js';
import type { Report } from './envelope.js';
import { joined, plain, redrawn, type TerminalText } from './fit.js';

export interface Watching<Item> {
  readonly everyMs: number;
  readonly json: boolean;
  readonly terminal: Terminal;
  report(): Promise<Report<Item>>;
  show(report: Report<Item>): TerminalText;
  /** One line. */
  jsonLine(report: Report<Item>): TerminalText;
}

/** Ends when the terminal is interrupted. A report that fails is told of, and the next one tried. */
export async function watching<Item>(wishes: Watching<Item>): Promise<void> {
  const { everyMs, json, terminal } = wishes;
  const end = terminal.interruption?.() ?? AbortSignal.abort();
  const redraws = terminal.width !== undefined && !json;
  let before: string | undefined;
  do {
    const { text, content, failed } = await once(wishes);
    if (failed && json) {
      if (content !== before) terminal.err(text);
    } else if (redraws) terminal.out(redrawn(text));
    else if (content !== before) terminal.out(text);
    before = content;
    await sleep(everyMs, undefined, { signal: end }).catch(() => undefined);
  } while (!end.aborted);
}

/** `content`: by which one sees whether something has changed. */
async function once<Item>(
  wishes: Watching<Item>,
): Promise<{ text: TerminalText; content: string; failed: boolean }> {
  try {
    const report = await wishes.report();
    const warnings = report.warnings.map((warning) => plain`${warning}\n`);
    const text = wishes.json ? wishes.jsonLine(report) : joined([wishes.show(report), ...warnings]);
    return { text, content: JSON.stringify(report), failed: false };
  } catch (error) {
    const content = messageOf(error);
    return { text: plain`${content}\n`, content, failed: true };
  }
}
