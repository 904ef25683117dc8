/** Reads the output that docs/commands.md shows of commands, in a form that can be compared with what they print. */
import { readFileSync } from 'node:fs';

const file = new URL('../../docs/commands.md', import.meta.url);

/** The outputs that are shown, by command line without `tsbridge`; several of one command in their order. */
export function documentedOutputs(): ReadonlyMap<string, readonly string[]> {
  const outputs = new Map<string, string[]>();
  const blocks = readFileSync(file, 'utf8').matchAll(
    /^```console\n\$ tsbridge ([^\n]*)\n(.*?)^```$/gms,
  );
  for (const [, line = '', output = ''] of blocks) {
    outputs.set(line, [...(outputs.get(line) ?? []), output]);
  }
  return outputs;
}

/**
 * The text without what differs from host to host and from moment to moment: ids, times, numbers and widths of columns.
 * Words, columns and their order stay.
 */
export function skeleton(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/\bveth[0-9a-f]{7}\b/g, 'VETH')
    .replace(/\b(?:br-)?[0-9a-f]{12,64}\b/g, 'ID')
    .replace(/\b[\da-f]{2}(?::[\da-f]{2}){5}\b/g, 'MAC')
    .replace(/-?\d[\d.,]*(?: (?:B|kB|MB|GB|ms|s)\b)?/g, 'N')
    .replace(/\bv?N(?:\.N)*\b/g, 'N')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The words on the left of lines such as `  state   serving`, in their order. */
export function labelsOf(text: string): readonly string[] {
  return [...text.matchAll(/^ {2}(\S+(?: \S+)*) {2,}\S/gm)].map(([, label = '']) => label);
}
