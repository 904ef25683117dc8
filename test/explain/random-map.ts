/** Our own table of `tsbridge.port_rules=map`, with random elements, beside random rules of iptables. */
import { setNames } from '../../src/core/port-map/table.js';
import { tableText } from '../../src/core/port-map/table-text.js';
import { portMapTable } from '../../src/core/rules/chains/own-chains.js';
import type { Random } from '../fuzz/random.js';
import type { Scene } from './random-rules.js';

const familyOf = ({ family }: Scene) => (family === 4 ? 'ip' : 'ip6');

/** Family and name of the table, as nft takes and lists them. */
export const mapTableOf = (scene: Scene) => [familyOf(scene), portMapTable] as const;

/** Commands for nft: the table as the daemon makes it. Most ports of the scene are in it, for all addresses or for one. */
export function randomMap(random: Random, scene: Scene): string {
  const { family, own, others, interfaces } = scene;
  const any = family === 4 ? '0.0.0.0' : '::';
  const elements: Record<(typeof setNames)[number], Set<string>> = {
    ...{ ports: new Set(), bridges: new Set(), inside: new Set(), itself: new Set() },
    loopback: new Set(),
  };
  const keys = new Set<string>();
  for (const protocol of ['tcp', 'udp']) {
    for (const port of scene.ports) {
      const key = `${random.pick([any, any, ...own])} . ${protocol} . ${port}`;
      if (!random.chance(80) || keys.has(key)) continue;
      keys.add(key);
      elements.ports.add(`${key} : ${random.pick(others)} . ${random.pick(scene.ports)}`);
      if (random.chance(20)) {
        elements.inside.add(`"${random.pick(interfaces)}" . ${protocol} . ${port}`);
      }
    }
  }
  if (random.chance(40)) elements.bridges.add(`"${random.pick(interfaces)}"`);
  const itself = random.pick([...others, ...own]);
  elements.itself.add(`${itself} . ${itself}`);
  const lines = setNames.flatMap((set) =>
    elements[set].size === 0
      ? []
      : `add element ${familyOf(scene)} ${portMapTable} ${set} { ${[...elements[set]].join(', ')} }\n`,
  );
  return `${tableText(family)}${lines.join('')}`;
}

/** Commands for nft that remove what {@link randomMap} made, also if it is not there. */
export function withoutMap(scene: Scene): string {
  const table = `${familyOf(scene)} ${portMapTable}`;
  return `table ${table}\ndelete table ${table}\n`;
}
