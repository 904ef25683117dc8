/**
 * Makes native tables (those that nft made) fit for a bundle: takes comments out, and texts that are not names, numbers
 * or addresses.
 */
import { markIn } from '../../core/explain/marks.js';

/** A table as nft lists it. */
export interface NativeListing {
  /** The objects of `nft -jn list table …`. */
  readonly objects: readonly unknown[];
  /** Its rules in nft's words, by their handles. */
  readonly rules: readonly { readonly handle: number; readonly text: string }[];
}

export interface NativeRules {
  readonly value: readonly NativeListing[];
  readonly withheld: ReadonlyMap<string, number>;
}

/** Most elements of one set or map: of a larger one no element is in the bundle. */
const mostElements = 20_000;
/** Most levels of objects inside of each other; nft writes some ten. */
const mostDepth = 40;

/** A word of nft, a name, an address or an operator. The star is for names of interfaces (`eth*`). */
const word = /^(?:[A-Za-z0-9_.:/@%*+\\-]{0,160}|[=!<>]=?)$/;
const key = /^[A-Za-z][A-Za-z0-9 _-]{0,40}$/;
/** What `log` writes before each line; kept, because people find rules by it. */
const prefix = /^[\x20-\x7e]{0,160}$/;

/**
 * Stands in place of a statement or an element that is withheld: who reads the bundle has to treat it as not
 * understood.
 */
const nothing = { withheld: null } as const;
class Withheld extends Error {}

/**
 * The tables as they may be given out. undefined: the value has another form, or names that tsbridge does not expect,
 * so that nothing of it may be given out.
 */
export function allowNative(found: unknown): NativeRules | undefined {
  const counts = new Map<string, number>();
  const count = (place: string) => counts.set(place, (counts.get(place) ?? 0) + 1);
  if (!Array.isArray(found)) return undefined;
  try {
    const value = found.map((table: Partial<NativeListing>) => {
      if (!Array.isArray(table?.objects) || !Array.isArray(table.rules)) throw new Withheld();
      return {
        objects: table.objects.map((each) => allowed(each, '', 0, count)),
        rules: table.rules.map(({ handle, text }) => ({
          handle: Number(handle),
          text: allowText(String(text), count),
        })),
      };
    });
    return { value, withheld: counts };
  } catch (error) {
    if (error instanceof Withheld) return undefined;
    throw error;
  }
}

type Count = (place: string) => void;

/**
 * The value as it may be given out.
 *
 * @param at the key that the value stands under
 * @throws {Withheld} for a text that may not be given out, if nothing can stand for it here
 */
function allowed(value: unknown, at: string, depth: number, count: Count): unknown {
  if (depth > mostDepth) throw new Withheld();
  if (typeof value === 'string') return allowedString(value, at, count);
  if (Array.isArray(value)) return allowedList(value, at, depth, count);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (!key.test(name)) throw new Withheld();
      // A prefix is a text only in `log`; elsewhere it is a network, which is an object.
      return [name, allowed(inner, name, depth + 1, count)];
    }),
  );
}

function allowedString(value: string, at: string, count: Count): string {
  if (at === 'comment') {
    const mark = value === 'withheld' ? value : (markIn(value) ?? 'withheld');
    if (mark !== value) count('comment');
    return mark;
  }
  if (!(at === 'prefix' ? prefix : word).test(value)) throw new Withheld();
  return value;
}

/**
 * A list, in which {@link nothing} stands for each withheld statement of a rule or element of a set. From other lists
 * nothing can be left out.
 */
function allowedList(list: readonly unknown[], at: string, depth: number, count: Count): unknown[] {
  const isElements = at === 'elem' || at === 'set';
  if (isElements && list.length > mostElements) {
    count('elements');
    return [nothing];
  }
  return list.map((each) => {
    try {
      return allowed(each, at, depth + 1, count);
    } catch (error) {
      if (!(error instanceof Withheld) || (!isElements && at !== 'expr')) throw error;
      count(isElements ? 'elements' : 'statements');
      return nothing;
    }
  });
}

/** What stands before a quoted text says what it is. */
const quoted = /(comment |prefix )?"([^"]*)"/g;

/** A rule in nft's words, with `withheld` in place of its comment and of other free texts. */
function allowText(text: string, count: Count): string {
  const outside = text.replace(quoted, '');
  if (!/^[\x20-\x7e]*$/.test(outside) || outside.includes('"')) {
    count('rules');
    return 'withheld';
  }
  return text.replace(quoted, (whole, before: string | undefined, inside: string) => {
    const kept =
      before === 'comment '
        ? inside === 'withheld'
          ? inside
          : markIn(inside)
        : (before === 'prefix ' ? prefix : word).test(inside)
          ? inside
          : undefined;
    if (kept === inside) return whole;
    count('texts');
    return `${before ?? ''}"${kept ?? 'withheld'}"`;
  });
}
