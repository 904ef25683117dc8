/** The ranges that dockerd takes subnets of networks from (`default-address-pools`), if its administrator chose them. */

/**
 * @param args of dockerd, without the program's name
 * @param file text of its settings file; undefined: there is none
 * @returns networks as they are written there; none if nothing says so, or the file is not understood
 */
export function enginePools(args: readonly string[], file: string | undefined): string[] {
  const bases = args.flatMap((arg, index) => {
    const match = /^--default-address-pool(?:=(.*))?$/s.exec(arg);
    if (match === null) return [];
    const [, base] = /(?:^|,)base=([^,]*)/.exec(match[1] ?? args[index + 1] ?? '') ?? [];
    return base === undefined ? [] : [base];
  });
  return [...bases, ...inFile(file)];
}

function inFile(text: string | undefined): string[] {
  const document = parsed(text ?? '{}');
  if (!isObject(document)) return [];
  const pools: unknown = document['default-address-pools'];
  if (!Array.isArray(pools)) return [];
  return pools.flatMap((pool: unknown) => {
    if (!isObject(pool)) return [];
    const { base } = pool;
    return typeof base === 'string' ? [base] : [];
  });
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
