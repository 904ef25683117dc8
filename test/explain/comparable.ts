/** What `tsbridge explain` says, for a comparison of a host with its bundle. */
import type { ExplainItem } from '../../src/cli/schemas/explain.js';
import type { said } from './said.js';

/** Without what has to differ: when, from where, and the words about it. */
export function comparable({ code, out, err }: Awaited<ReturnType<typeof said>>) {
  const { items = [], warnings = [] } = out === '' ? {} : JSON.parse(out);
  const texts = (items as ExplainItem[]).map(({ text, ...item }) => ({
    ...item,
    text: text
      .filter((line) => !line.startsWith('As of '))
      .join('\n')
      .replace(/^\n/, ''),
  }));
  // A comment is withheld, but for the mark of a program.
  const plain = (text: string) =>
    text
      .replaceAll('--comment withheld', '--comment password')
      .replaceAll('comment \\"withheld', 'comment \\"password')
      // Older kernels (6.12, e.g.) answer with one error for both.
      .replaceAll(
        'reverse path filter, or an address that nobody may send from',
        'reverse path filter',
      );
  return { code, items: JSON.parse(plain(JSON.stringify(texts))), warnings, err };
}
