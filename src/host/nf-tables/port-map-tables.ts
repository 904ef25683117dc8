/** Our own tables of nf_tables (core/port-map), read and written by netlink messages, without a process. */

import { mapBatch } from '../../codec/nf-tables/port-map/batch.js';
import {
  elementList,
  elementsRequest,
  isIntact,
  type MapPart,
  parsePart,
  structureRequests,
} from '../../codec/nf-tables/port-map/dump.js';
import { readElements } from '../../codec/nf-tables/port-map/elements.js';
import type { Family } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import { type Element, elementText } from '../../core/port-map/elements.js';
import type { MapChange, ObservedMap } from '../../core/port-map/plan.js';
import { mapTable } from '../../core/port-map/table.js';
import { portMapTable } from '../../core/rules/chains/own-chains.js';
import type { Log, MapTables } from '../../driver/host.js';
import { collectDump } from '../netlink/socket/dump.js';
import { NftSocket } from './nft-socket.js';

const netfilter = 12;
/** Most elements that are written on the event loop: the kernel takes some 10 µs for each. */
const mostInPlace = 100;

export class PortMapTables implements MapTables {
  #socket: NftSocket | undefined;
  /** The socket makes one transaction after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param variant of the host's iptables; undefined: it has none
   * @param ownPorts gets the netlink port of our socket, by which reports of changes tell that they are ours
   */
  constructor(
    private readonly variant: (family: Family) => 'nft' | 'legacy' | undefined,
    private readonly ownPorts: Set<number>,
    private readonly log: Log,
  ) {}

  /**
   * Opens the socket before the first change: the listener to the kernel's reports tells our own changes by its netlink
   * port.
   */
  open(): void {
    try {
      this.#opened();
    } catch (error) {
      this.log.debug({ error: messageOf(error) }, 'no socket of nf_tables can be opened');
    }
  }

  /** Call it only when no change is under way. */
  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  obstacle(family: Family): string | undefined {
    return this.variant(family) === 'legacy'
      ? 'this host uses iptables-legacy, and the map is one of nf_tables: use iptables-nft on the host, or'
      : undefined;
  }

  async read(family: Family): Promise<ObservedMap> {
    const parts: MapPart[] = [];
    for (const request of structureRequests(family)) {
      parts.push(...(await collectDump(netfilter, request, parsePart)));
      if (parts.length === 0) return undefined;
    }
    if (!isIntact(family, parts)) return { intact: false, elements: new Map() };
    const elements = new Map<string, Element>();
    for (const shape of mapTable(family).sets) {
      const lists = await collectDump(
        netfilter,
        elementsRequest(family, shape.name),
        (type, body) => {
          const list = elementList(type, body);
          return list && readElements(list, shape, family);
        },
      );
      for (const element of lists.flat()) elements.set(elementText(element), element);
    }
    return { intact: true, elements };
  }

  async commit(family: Family, change: MapChange): Promise<void> {
    const made = this.#last.then(() => this.#commit(family, change));
    this.#last = made.catch(() => undefined);
    await made;
  }

  async #commit(family: Family, change: MapChange): Promise<void> {
    const batch = mapBatch(family, change);
    const verdict = await this.#opened().transaction(batch, !isShort(change));
    if (verdict.made) return;
    const name = `table ${family === 4 ? 'ip' : 'ip6'} ${portMapTable}`;
    const lacking =
      change.op === 'make'
        ? '; it needs nft_nat, nft_masq, nft_fib, nft_ct and maps of concatenated keys'
        : '';
    throw new DriverError(
      'firewall-failed',
      `the kernel refuses to ${change.op} ${name} of nf_tables (${verdict.code})${lacking}`,
    );
  }

  #opened(): NftSocket {
    if (this.#socket === undefined) {
      this.#socket = new NftSocket();
      this.ownPorts.add(this.#socket.portId);
    }
    return this.#socket;
  }
}

function isShort(change: MapChange): boolean {
  return change.op === 'change' && change.add.length + change.remove.length <= mostInPlace;
}
