/** One row of the result: what was measured, beside what, and what it must reach. */

export type Unit = 'ms' | 's' | 'MB' | 'MB/s' | '/s' | '×' | '%' | '';

/** What docs/performance.md asks of a row; `at-least` of the ratio, `at-most` of tsbridge's own value. */
export type Target =
  | { readonly kind: 'ratio'; readonly atLeast: number }
  | { readonly kind: 'value'; readonly atMost: number };

export interface Figure {
  readonly row: string;
  readonly unit: Unit;
  /** Of the built-in driver, of docker-proxy, or of netavark, in the same run. */
  readonly builtIn?: number;
  readonly tsbridge: number;
  /** How many times better than the built-in: of times and sizes, of rates the other way round. */
  readonly ratio?: number;
  readonly target?: Target;
  /** undefined without a target. */
  readonly met?: boolean;
  /** What the value is made of, if not a median of rounds. */
  readonly note?: string;
}

const rates: readonly Unit[] = ['MB/s', '/s'];

/** Adds ratio and verdict to what was measured. */
export function figure(
  measured: Pick<Figure, 'row' | 'unit' | 'tsbridge'> & {
    readonly builtIn?: number | undefined;
    readonly note?: string | undefined;
  },
  generation?: string,
): Figure {
  const { row, unit, builtIn, tsbridge, note } = measured;
  const ratio =
    builtIn === undefined
      ? undefined
      : rates.includes(unit)
        ? tsbridge / builtIn
        : builtIn / tsbridge;
  const target = targetRows.find(
    (each) => each.rows.test(row) && (each.generation ?? generation) === generation,
  )?.target;
  const met =
    target === undefined
      ? undefined
      : target.kind === 'value'
        ? tsbridge <= target.atMost
        : ratio !== undefined && ratio >= target.atLeast;
  return {
    row,
    unit,
    tsbridge,
    ...(builtIn === undefined ? {} : { builtIn }),
    ...(ratio === undefined ? {} : { ratio }),
    ...(target === undefined ? {} : { target }),
    ...(met === undefined ? {} : { met }),
    ...(note === undefined ? {} : { note }),
  };
}

interface TargetRow {
  readonly rows: RegExp;
  /** undefined: of all. */
  readonly generation?: string;
  readonly target: Target;
}

const atLeast = (rows: RegExp, ratio: number): TargetRow => ({
  rows,
  target: { kind: 'ratio', atLeast: ratio },
});
const atMost = (rows: RegExp, value: number): TargetRow => ({
  rows,
  target: { kind: 'value', atMost: value },
});

const of20 = { generation: 'docker20' } as const;
const of28 = { generation: 'docker28' } as const;

/** What the project wants of itself; the first that fits a row counts. */
const targetRows: readonly TargetRow[] = [
  { ...atMost(/^publish 1000 ports: handler$/, 140), ...of20 },
  { ...atMost(/^revoke 1000 ports: handler$/, 60), ...of20 },
  { ...atMost(/^publish 1000 ports: handler$/, 120), ...of28 },
  { ...atMost(/^revoke 1000 ports: handler$/, 45), ...of28 },
  atMost(/^publish one port, idle: p50$/, 4),
  atMost(/^publish one port, idle: p99$/, 8),
  atLeast(/^container with 1000 ports: /, 1),
  atMost(/^(start|remove), 1000 ports: in our handlers$/, 150),
  atLeast(/^start, 1000 ports$/, 100),
  atLeast(/^remove, 1000 ports$/, 200),
  atLeast(/^start, 100 ports$/, 8),
  atLeast(/^start, 10 ports$/, 1.5),
  atLeast(/^start, [01] ports$/, 1),
  { ...atLeast(/^network create$/, 4), ...of28 },
  atLeast(/^network create$/, 3),
  atLeast(/^network rm$/, 20),
  atLeast(/^network connect$/, 1),
  atLeast(/^network disconnect$/, 1.1),
  atLeast(/^64 containers at once$/, 2),
  atMost(/^flat: last port in a map/, 1.2),
  atMost(/^flat: last (network|port beside the kernel)/, 2),
  atMost(/^flat: last endpoint/, 1.5),
  atMost(/^listener: /, 1),
  atMost(/^memory, 1000 ports/, 100),
  atMost(/^memory, idle$/, 50),
  atMost(/^adoption: start to serving$/, 1000),
  atMost(/^adoption: (rules rewritten|packets lost)$/, 0),
  atMost(/^repair after iptables -F$/, 1000),
  atLeast(/^proxy: TCP throughput$/, 0.8),
  atLeast(/^proxy: (new connections|UDP packets)$/, 1),
  atMost(/^10 GB through the proxy: p99 of /, 20),
  atMost(/^longest stall/, 25),
  atMost(/^(inventory of 10,000 ports|names of 1,000 containers|scrape.*): answer$/, 300),
  atMost(
    /^(inventory of 10,000 ports|names of 1,000 containers|scrape.*|the engine's list of .*): longest piece$/,
    5,
  ),
];
