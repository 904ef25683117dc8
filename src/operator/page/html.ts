/**
 * Markup of the page. What others have written (names, comments of rules, labels, log lines) becomes part of it only
 * escaped: {@link html} escapes each value that is no {@link Html}, and only this file makes one.
 */
import { escaped, type SvgElement, svgText } from '../picture/svg.js';

let trusted: (markup: string) => Html;

/**
 * Markup of whole elements, which needs no escaping. A class, so that {@link html} can tell it from a string, which it
 * escapes.
 */
export class Html {
  readonly #markup: string;

  /** For this file only: others have {@link html}. */
  private constructor(markup: string) {
    this.#markup = markup;
  }

  toString(): string {
    return this.#markup;
  }

  static {
    trusted = (markup) => new Html(markup);
  }
}

export type Value = Html | string | number | readonly Html[];

/**
 * A template: its own words are markup, and each value is escaped, unless it is markup already. A value stands between
 * elements, or in an attribute between double quotes.
 *
 * @throws {Error} for a value at another place, where escaping would not be enough
 */
export function html(words: TemplateStringsArray, ...values: readonly Value[]): Html {
  const places = placesIn(words);
  const parts = words.map((word, index) => {
    const value = values[index];
    if (value === undefined) return word;
    const place = places[index];
    if (place === 'elsewhere') throw new Error(`a value may not stand behind ${word}`);
    if (typeof value !== 'object') return word + escaped(String(value));
    if (place === 'attribute') throw new Error('an attribute has no elements in it');
    return word + (value instanceof Html ? String(value) : value.join(''));
  });
  return trusted(parts.join(''));
}

type Place = 'text' | 'attribute' | 'elsewhere';

/**
 * The places of each template, kept because a page can use one template for each of 60,000 ports. JavaScript hands over
 * the same array of words at each use.
 */
const knownPlaces = new WeakMap<TemplateStringsArray, readonly Place[]>();

/** The place of each value of a template, in their order. */
function placesIn(words: TemplateStringsArray): readonly Place[] {
  const known = knownPlaces.get(words);
  if (known !== undefined) return known;
  const places = words.map((_, index) => placeAfter(words.slice(0, index + 1).join('')));
  knownPlaces.set(words, places);
  return places;
}

/** Finds out in which place of the markup a piece of a template ends: there the next value stands. */
function placeAfter(piece: string): Place {
  const tag = piece.slice(piece.lastIndexOf('<'));
  if (!tag.startsWith('<') || tag.includes('>')) {
    return /^<(?:script|style)\b/i.test(tag) ? 'elsewhere' : 'text';
  }
  // Names of attributes that would take a script are no place for values, however they are quoted.
  return /\s(?!on|style)[a-z][a-z-]*="[^"]*$/.test(tag) ? 'attribute' : 'elsewhere';
}

export const nothing: Html = html``;

/** A picture as a part of the page. */
export function svgHtml(svg: SvgElement): Html {
  return trusted(svgText(svg));
}

/** @param text the page's own; @throws {Error} if it would end the element */
export function styleHtml(text: string): Html {
  return trusted(`<style>${whole(text)}</style>`);
}

/** @param text the page's own; @throws {Error} if it would end the element */
export function scriptHtml(text: string): Html {
  return trusted(`<script>${whole(text)}</script>`);
}

function whole(text: string): string {
  if (text.includes('<')) throw new Error('text of a style or script would be read as markup');
  return text;
}
