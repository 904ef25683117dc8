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
const mostWays = 30;
/** Milliseconds after which no further way is begun: with tens of thousands of rules, each takes some seconds. */
const waysMs = 30_000;

export interface PortsWithWays {
  readonly ports: readonly PagePort[];
  /**
   * Why ports have no way in the page: it would have more than {@link mostWays} ways, or take too long, or `explain`
   * has failed.
   */
  readonly warnings: readonly string[];
}

/**
 * The ports with the ways to them. Ports of one container that are reached in the same manner have one way, which the
 * first of them shows: the others lead to it. Where there are many, those that are not reached come first.
 *
 * @param clock the time in milliseconds, from any beginning
 */
export async function withWays(
  ports: readonly PagePort[],
  args: readonly string[],
  terminal: Terminal,
  clock: () => number = () => performance.now(),
): Promise<PortsWithWays> {
  const groups = groupsOfWays(ports);
  const found = new Map<number, PathPicture>();
  const failed: { readonly ports: number; readonly why: string }[] = [];
  const end = clock() + waysMs;
  let done = 0;
  for (const group of groups.slice(0, mostWays)) {
    if (clock() > end) break;
    done += 1;
    const [first = 0] = group;
    const { from, destination, family } = ports[first] as PagePort;
    const way = await wayOf({ from, to: destination, ipv6: family === 6 }, args, terminal);
    if ('picture' in way) found.set(first, way.picture);
    else failed.push({ ports: group.length, why: way.problem });
  }
  const firstOf = new Map(groups.flatMap((group) => group.map((each) => [each, group[0] ?? 0])));
  return {
    ports: ports.map((port, index) => {
      const first = firstOf.get(index) ?? index;
      const shared = first !== index && found.has(first) ? { wayOf: first } : {};
      return { ...port, way: found.get(index), ...shared };
    }),
    warnings: [
      ...leftOut(groups.slice(done).flat().length),
      ...notFound(
        failed.reduce((sum, each) => sum + each.ports, 0),
        failed[0]?.why,
      ),
    ],
  };
}

const leftOut = (ports: number): string[] =>
  ports === 0
    ? []
    : [`ways to ${ports} ports are left out: there are too many, or finding them takes too long`];
const notFound = (ports: number, why: string | undefined): string[] =>
  why === undefined ? [] : [`ways to ${ports} ports were not found: ${why}`];

/** Groups of indexes of ports. The ports of a group have the same way, but for the numbers of the ports. */
export function groupsOfWays(ports: readonly PagePort[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  for (const [index, port] of ports.entries()) {
    const { container, network, address, path, from, family, reach, label } = port;
    const protocol = label.slice(label.lastIndexOf('/'));
    const key = [container, network, address, path, from, family, reach, protocol].join('\0');
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [index]);
    else known.push(index);
  }
  const isReached = ([first = 0]: readonly number[]): boolean =>
    ports[first]?.reach?.startsWith('elsewhere,') === true;
  const all = [...groups.values()];
  return [...all.filter((group) => !isReached(group)), ...all.filter(isReached)];
}
