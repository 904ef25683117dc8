/**
 * Which code this process runs: a hash of the sources of the bundle, which `scripts/bundle.mjs` writes in
 * place of this name. The daemon compares it with the proxy process's to see whether that runs other code.
 */
declare const TSBRIDGE_BUILD: string | undefined;

/** `source` where modules run as they are, in tests. */
export const buildId: string = typeof TSBRIDGE_BUILD === 'string' ? TSBRIDGE_BUILD : 'source';
