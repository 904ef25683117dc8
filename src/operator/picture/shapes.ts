/** Boxes, words and lines, of which all pictures are made. */
import { element, type SvgElement } from './svg.js';

/** Pixels that a character of 12 px takes in the monospaced fonts of browsers, rounded up. */
const perCharacter = 7.3;

/** Cut to what fits into this many pixels, by characters as a person sees them. */
export function fitted(words: string, width: number): string {
  const most = charactersIn(width);
  const signs = Array.from(words);
  return signs.length <= most ? words : `${signs.slice(0, most - 1).join('')}…`;
}

export function charactersIn(width: number): number {
  return Math.floor(width / perCharacter);
}

/**
 * Broken into lines of at most so many characters, at spaces where there are some; what is more than `most` lines is cut,
 * and ends in `…`.
 */
export function inLines(words: string, characters: number, most: number): string[] {
  const lines: string[] = [];
  let rest = Array.from(words);
  while (rest.length > characters) {
    const space = rest.lastIndexOf(' ', characters);
    const end = space > characters / 2 ? space : characters;
    lines.push(rest.slice(0, end).join(''));
    rest = rest.slice(rest[end] === ' ' ? end + 1 : end);
  }
  const all = [...lines, rest.join('')];
  if (all.length <= most) return all;
  const last = Array.from(all[most - 1] ?? '').slice(0, characters - 1);
  return [...all.slice(0, most - 1), `${last.join('')}…`];
}

export function rect(
  x: number,
  y: number,
  width: number,
  height: number,
  kind?: string,
): SvgElement {
  return element('rect', { x, y, width, height, rx: 6, ...(kind ? { class: kind } : {}) });
}

export function text(x: number, y: number, content: string, kind?: string): SvgElement {
  return element('text', { x, y, ...(kind ? { class: kind } : {}) }, [content]);
}

/** A line of straight or curved pieces, as `d` of a path writes them. */
export function line(d: string, kind?: string): SvgElement {
  return element('path', { d, ...(kind ? { class: kind } : {}) });
}

/** What a pointer that rests on the element, and a screen reader, tells of it. */
export function titled(words: string, ...children: readonly SvgElement[]): SvgElement {
  return element('g', {}, [element('title', {}, [words]), ...children]);
}
