/** Reads Prometheus' text format as values, of which a bundle takes what its list names. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

/** The samples; other lines (help, types, and what is not understood) are left out. */
export function parseMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((each) => {
    const [, name, inside = '', number] = line.exec(each) ?? [];
    if (name === undefined || number === undefined) return [];
    const labels = readLabels(inside);
    const value = Number(number.replace(/^([+-])Inf$/, '$1Infinity'));
    return labels === undefined || Number.isNaN(value) ? [] : [{ name, labels, value }];
  });
}

function readLabels(text: string): Record<string, string> | undefined {
  const labels: [string, string][] = [];
  let end = 0;
  for (const { 0: whole, 1: name = '', 2: value = '', index } of text.matchAll(label)) {
    end = index + whole.length;
    labels.push([name, value.replace(/\\(.)/g, (_, next) => (next === 'n' ? '\n' : next))]);
  }
  return end === text.length ? Object.fromEntries(labels) : undefined;
}
