/**
 * Listings that were reviewed once and must stay as they are: `test/golden/NAME.txt`.
 *
 * To write them anew after a change that is meant: `TSBRIDGE_UPDATE_GOLDEN=1 npx tap run FILE`,
 * then read the diff before committing it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export class GoldenFile {
  readonly #url: URL;
  readonly #update = process.env.TSBRIDGE_UPDATE_GOLDEN === '1';
  readonly #sections = new Map<string, readonly string[]>();
  readonly #used = new Set<string>();

  constructor(name: string) {
    this.#url = new URL(`../golden/${name}.txt`, import.meta.url);
    if (this.#update || !existsSync(this.#url)) return;
    for (const part of readFileSync(this.#url, 'utf8').split(/^=== /m).slice(1)) {
      const [title = '', ...lines] = part.trimEnd().split('\n');
      this.#sections.set(title, lines);
    }
  }

  /** The section's lines. When updating, the first listing that asks for a section becomes it. */
  expected(title: string, found: readonly string[]): readonly string[] | undefined {
    this.#used.add(title);
    if (this.#update && !this.#sections.has(title)) this.#sections.set(title, found);
    return this.#sections.get(title);
  }

  get sections(): ReadonlyMap<string, readonly string[]> {
    return this.#sections;
  }

  /** Titles that nothing has asked for. Writes the file when updating. */
  finish(): string[] {
    if (this.#update) {
      const text = [...this.#sections]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([title, lines]) => `${[`=== ${title}`, ...lines].join('\n')}\n`);
      writeFileSync(this.#url, text.join('\n'));
    }
    return [...this.#sections.keys()].filter((title) => !this.#used.has(title));
  }
}
