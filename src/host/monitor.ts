/** Watches what other programs change. Each report is a sign that rules or links have to be read again. */

import { changedLinks, linkGroups } from '../codec/netlink/link-events.js';
import {
  routeGroups,
  routeReportFilter,
  tellsOfRemovedRoute,
} from '../codec/netlink/own-route-messages.js';
import type { Log } from '../driver/host.js';
import type { RuleWatch } from './iptables/rule-watch.js';
import { EventListener } from './netlink/socket/event-listener.js';
import { linkName } from './netlink/socket/link-names.js';
import { netlinkProtocol } from './netlink/socket/netlink-socket.js';

/** What a program has changed: a link or its addresses (without a name: it may be any link), or a route of ours. */
export type SeenChange =
  | { readonly kind: 'link'; readonly name?: string | undefined }
  | { readonly kind: 'routes' };

export class Monitor {
  readonly #parts: readonly RuleWatch[];

  /**
   * @param lost reports of links and routes were lost
   */
  constructor(
    rules: RuleWatch | undefined,
    changed: (what: SeenChange) => void,
    log: Log,
    lost: () => void = () => undefined,
  ) {
    const reader = {
      read: (datagram: Buffer) => {
        for (const link of changedLinks(datagram)) {
          // A link that is gone by now has no name here; the report of its deletion has.
          const name = 'name' in link ? link.name : linkName(link.index);
          if (name !== undefined) changed({ kind: 'link', name });
        }
        if (tellsOfRemovedRoute(datagram)) changed({ kind: 'routes' });
      },
      gap: () => {},
      lostTrack: () => {
        lost();
        changed({ kind: 'link' });
      },
    };
    const source = {
      protocol: netlinkProtocol.route,
      groups: [...linkGroups, ...routeGroups],
      filters: [routeReportFilter],
    };
    this.#parts = [
      ...(rules === undefined ? [] : [rules]),
      new EventListener('changes of interfaces', source, reader, log),
    ];
  }

  start(): void {
    for (const part of this.#parts) part.start();
  }

  stop(): void {
    for (const part of this.#parts) part.stop();
  }

  /** What is not heard at the moment, a sentence each for the operator. */
  problems(): string[] {
    return this.#parts.flatMap(({ problem }) => problem ?? []);
  }
}
