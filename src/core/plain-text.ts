/** Text that others have written and that a person reads: names of containers and networks, labels, comments. */
import type { Brand } from './address.js';

/**
 * One line without control characters, bounded: it can be printed to a terminal, and can neither move its
 * cursor, nor change the direction of writing, nor end the line. It still has to be escaped for HTML.
 */
export type PlainText = Brand<string, 'PlainText'>;

/** Controls, formats, surrogates, private and unassigned characters; separators of lines and paragraphs. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** Spaces of other widths, which look like a space or like nothing. */
const otherSpaces = /[\p{Zs}]/gu;
const ellipsis = '…';

/** What cannot be printed becomes U+FFFD; what is longer than `most` characters is cut, and ends in `…`. */
export function plainText(text: string, most = 255): PlainText {
  // Twice as many UTF-16 units hold `most` characters: nothing beyond is looked at.
  const shown = text
    .slice(0, 2 * most + 2)
    .replace(unprintable, '\uFFFD')
    .replace(otherSpaces, ' ');
  const characters = [...shown];
  const cut = characters.length > most ? [...characters.slice(0, most - 1), ellipsis] : characters;
  return cut.join('') as PlainText;
}
