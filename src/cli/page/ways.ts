/** Runs `tsbridge explain` for the ways of packets that the page shows. */
import type { PagePort } from '../../operator/page/facts.js';
import type { PathPicture } from '../../operator/picture/path-picture.js';
import { explainCommand } from '../commands/look/explain.js';
import { pictureOf } from '../explain/picture.js';
import type { ExplainItem } from '../schemas/explain.js';
import type { Terminal } from '../terminal.js';
import { ask } from './ask.js';

export interface Journey {
  readonly from: string;
  readonly to: string;
  readonly ipv6: boolean;
}

export interface Way {
  readonly picture: PathPicture;
  readonly text: readonly string[];
}

/** @returns the way, or why there is none and the exit code of explain */
export async function wayOf(
  { from, to, ipv6 }: Journey,
  args: readonly string[],
  terminal: Terminal,
): Promise<Way | { readonly problem: string; readonly code: number }> {
  const all = [...args, ...(ipv6 ? ['--ipv6'] : []), '--', from, to];
  const { items, said, code } = await ask<ExplainItem>(explainCommand, all, terminal);
  if (items === undefined || items.length === 0) return { problem: said, code };
  return { picture: pictureOf(items), text: items.flatMap(({ text }) => text) };
}

/** Most ways in a page of a file: `explain` reads all rules of the host anew for each. */
const mostWays = 10;

/** The ports with the ways to them; where there are many, those that are not reached come first. */
export async function withWays(
  ports: readonly PagePort[],
  args: readonly string[],
  terminal: Terminal,
): Promise<readonly PagePort[]> {
  const isReached = ({ reach }: PagePort): boolean => reach?.startsWith('elsewhere,') === true;
  const chosen = ports
    .map((port, index) => ({ port, index }))
    .sort((a, b) => Number(isReached(a.port)) - Number(isReached(b.port)) || a.index - b.index)
    .slice(0, mostWays);
  const found = new Map<number, PathPicture>();
  for (const { port, index } of chosen) {
    const { from, destination, family } = port;
    const way = await wayOf({ from, to: destination, ipv6: family === 6 }, args, terminal);
    if ('picture' in way) found.set(index, way.picture);
  }
  return ports.map((port, index) => ({ ...port, way: found.get(index) }));
}
