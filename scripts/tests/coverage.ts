/** Pure code has every line covered. */

/** Of Istanbul's `coverage-summary.json`. */
export type CoverageSummary = Readonly<
  Record<string, { readonly lines: { readonly total: number; readonly covered: number } }>
>;

const pureFolders = ['src/core/', 'src/codec/'];

/** What is wrong, a line each; nothing if all is well. */
export function uncovered(summary: CoverageSummary, root: string): string[] {
  const files = Object.entries(summary).map(([path, { lines }]) => ({
    path: path.replace(`${root}/`, ''),
    lines,
  }));
  const missing = pureFolders.filter(
    (folder) => !files.some(({ path }) => path.startsWith(folder)),
  );
  return [
    ...missing.map((folder) => `${folder} is not in the summary of coverage`),
    ...files
      .filter(({ path }) => pureFolders.some((folder) => path.startsWith(folder)))
      .filter(({ lines }) => lines.covered < lines.total)
      .map(({ path, lines }) => `${path}: ${lines.total - lines.covered} lines are not covered`),
  ];
}
