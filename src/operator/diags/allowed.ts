/**
 * What of a value may be in a bundle: what an allow-list names, and nothing else. A value that is not of the kind that
 * the list says is withheld, so that a new version of some program cannot add anything.
 */

/**
 * `word`: an id, an address, a name of the kernel's, without spaces; `name`: what a person has called something;
 * `number`, `boolean`; `scalar`: a word or a number. `null` may stand for each.
 */
export type Kind = 'word' | 'name' | 'number' | 'boolean' | 'scalar';
export type AllowList = Kind | readonly [AllowList] | { readonly [key: string]: AllowList };

const word = /^[A-Za-z0-9_.:/@%*+-]{0,160}$/;
/** As Docker accepts names of containers; networks that are called otherwise have their id. */
const name = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

export interface Allowed {
  readonly value: unknown;
  /** How many values were left out, by the place in the allow-list. */
  readonly withheld: ReadonlyMap<string, number>;
}

/** @param named is given each name, and answers with what stands for it */
export function allow(
  value: unknown,
  allowList: AllowList,
  named: (name: string) => string = (same) => same,
): Allowed {
  const withheld = new Map<string, number>();
  const without = (place: string): undefined => {
    withheld.set(place, (withheld.get(place) ?? 0) + 1);
    return undefined;
  };
  const visit = (given: unknown, wanted: AllowList, place: string): unknown => {
    if (given === null || given === undefined) return given;
    if (typeof wanted === 'string') return leaf(given, wanted, place);
    if (isList(wanted)) {
      if (!Array.isArray(given)) return without(place);
      return given
        .map((each) => visit(each, wanted[0], `${place}[]`))
        .filter((each) => each !== undefined);
    }
    if (typeof given !== 'object' || Array.isArray(given)) return without(place);
    const fields = given as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(fields)) if (!Object.hasOwn(wanted, key)) without(`${place}.*`);
    return Object.fromEntries(
      Object.entries(wanted).flatMap(([key, inner]) => {
        if (!Object.hasOwn(fields, key)) return [];
        const kept = visit(fields[key], inner, `${place}.${key}`);
        return kept === undefined ? [] : [[key, kept]];
      }),
    );
  };
  const leaf = (given: unknown, kind: Kind, place: string): unknown => {
    if (kind === 'number' || kind === 'boolean')
      return typeof given === kind ? given : without(place);
    if (kind === 'scalar' && typeof given === 'number') return given;
    if (typeof given !== 'string') return without(place);
    if (kind === 'name') return name.test(given) ? named(given) : without(place);
    return word.test(given) ? given : without(place);
  };
  return { value: visit(value, allowList, ''), withheld };
}

function isList(allowList: AllowList): allowList is readonly [AllowList] {
  return Array.isArray(allowList);
}
