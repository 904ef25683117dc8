/**
 * Which code this process runs: a hash of all that `scripts/bundle.mjs` makes a bundle of, which it puts in
 * the place of this name. Two processes of the same build need not be told apart.
 */
declare const TSBRIDGE_BUILD: string | undefined;

/** `source` where modules run as they are, in tests. */
export const buildId: string = typeof TSBRIDGE_BUILD === 'string' ? TSBRIDGE_BUILD : 'source';
