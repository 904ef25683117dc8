/** The kernel's reports of changes of links, of their addresses and of what limits them (linux/rtnetlink.h) → which links. */
import { messagesIn, readAttributes, readText } from './netlink-message.js';
import { trafficControlGroup, trafficControlLink } from './traffic-control-messages.js';

/** The multicast groups of rtnetlink: RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_TC. */
export const linkGroups = [1, 5, 9, trafficControlGroup] as const;

const rtm = { newLink: 16, deleteLink: 17, newAddress: 20, deleteAddress: 21 } as const;
/** struct ifinfomsg, struct ifaddrmsg. */
const linkHeader = 16;
const addressHeader = 8;
const nameAttribute = 3;
const wanted: ReadonlySet<number> = new Set([nameAttribute]);

/** A link that was created, changed or deleted; of one whose addresses or limits changed only the index is known. */
export type ChangedLink = { readonly name: string } | { readonly index: number };

/** The links that the reports in one datagram are about; other reports are left out. */
export function changedLinks(datagram: Buffer): ChangedLink[] {
  const changed: ChangedLink[] = [];
  for (const { type, start, end } of messagesIn(datagram)) {
    const body = datagram.subarray(start, end);
    if ((type === rtm.newLink || type === rtm.deleteLink) && body.length >= linkHeader) {
      const name = readText(readAttributes(body.subarray(linkHeader), wanted), nameAttribute);
      changed.push(name === undefined ? { index: body.readInt32LE(4) } : { name });
    }
    if ((type === rtm.newAddress || type === rtm.deleteAddress) && body.length >= addressHeader) {
      changed.push({ index: body.readUInt32LE(4) });
    }
    const limited = trafficControlLink(type, body);
    if (limited !== undefined) changed.push({ index: limited });
  }
  return changed;
}
