/**
 * What of a value may be in a bundle: what a shape names, and nothing else. A value that is not of the kind that its
 * shape says is withheld, so that a new version of some program cannot add anything.
 */

/**
 * `word`: an id, an address, a name of the kernel's, without spaces; `name`: what a person has called something;
 * `number`, `boolean`; `scalar`: a word or a number. `null` may stand for each.
 */
export type Kind = 'word' | 'name' | 'number' | 'boolean' | 'scalar';
export type Shape = Kind | readonly [Shape] | { readonly [key: string]: Shape };

const word = /^[A-Za-z0-9_.:/@%*+-]{0,160}$/;
/** As Docker accepts names of containers; networks that are called otherwise have their id. */
const name = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

export interface Allowed {
  readonly value: unknown;
  /** How many values were left out, by where they stood: names of places are those of the shape. */
  readonly withheld: ReadonlyMap<string, number>;
}

/** @param named is given each name, and answers with what stands for it */
export function allow(
  value: unknown,
  shape: Shape,
  named: (name: string) => string = (same) => same,
): Allowed {
  const withheld = new Map<string, number>();
  const without = (place: string): undefined => {
    withheld.set(place, (withheld.get(place) ?? 0) + 1);
    return undefined;
  };
  const visit = (given: unknown, wanted: Shape, place: string): unknown => {
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
  return { value: visit(value, shape, ''), withheld };
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}
