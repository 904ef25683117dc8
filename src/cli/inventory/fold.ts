/** Makes one row of the ports of a range, which would be hundreds of equal lines between the others. */
import type { PortItem } from '../schemas/inventory.js';

export interface PortRow extends PortItem {
  /** The last port of the range; undefined: the row is a single port. */
  readonly through?: { readonly host: number; readonly to: number };
}

/** Rows in the order of their first ports. Ports are of one range if their rows would differ in the numbers only. */
export function foldPorts(items: readonly PortItem[]): PortRow[] {
  const rows: PortRow[] = [];
  /** The index of the last row, by all that has to be equal within a range. */
  const last = new Map<string, number>();
  for (const item of items) {
    const { endpoint, protocol, host, to, path, publishedBy, publishedSince, listening, reach } =
      item;
    const alike = JSON.stringify([
      ...[endpoint, protocol, host.address, to.address, path, publishedBy, publishedSince],
      [reach?.elsewhere, reach?.lan, reach?.host, reach?.otherNetworks],
      ...[host.port - to.port, listening.state, listening.program?.name],
      [...new Set(listening.on.map(({ address }) => address))],
    ]);
    const place = last.get(alike);
    const before = place === undefined ? undefined : rows[place];
    const end = before?.through?.host ?? before?.host.port;
    if (place !== undefined && before !== undefined && end === host.port - 1) {
      rows[place] = { ...before, through: { host: host.port, to: to.port } };
    } else {
      last.set(alike, rows.length);
      rows.push(item);
    }
  }
  return rows;
}
