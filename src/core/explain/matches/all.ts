/** Match → what it asks. A match that is not here is unknown, with its words. */

import { entryOf, optionText } from '../chains/options.js';
import type { RuleMatch, TableRule } from '../chains/rule-table.js';
import type { Answers } from '../facts.js';
import type { Packet } from '../packet.js';
import { every, type Truth, unknown } from '../truth.js';
import { connmark, conntrack, helper, state } from './flow-matches.js';
import * as header from './header-matches.js';
import { addrtype, mac, owner, physdev, policy, rpfilter, set } from './host-matches.js';
import { always, type Match } from './match.js';

/** A match that depends on what has passed before, in words for the fork that it makes. */
const rate =
  (words: string): Match =>
  (options) =>
    unknown(`${words} (${options.map(optionText).join(' ')})`);

const matches: Readonly<Record<string, Match>> = {
  '': header.basic,
  tcp: header.tcp,
  udp: header.udp,
  sctp: header.sctp,
  dccp: header.dccp,
  udplite: header.udplite,
  multiport: header.multiport,
  icmp: header.icmp,
  icmp6: header.icmp6,
  icmpv6: header.icmp6,
  iprange: header.iprange,
  length: header.length,
  ttl: header.ttl,
  hl: header.hl,
  dscp: header.dscp,
  tos: header.tos,
  mark: header.mark,
  pkttype: header.pkttype,
  frag: header.noExtensionHeader,
  rt: header.noExtensionHeader,
  hbh: header.noExtensionHeader,
  dst: header.noExtensionHeader,
  mh: header.noExtensionHeader,
  conntrack,
  state,
  connmark,
  helper,
  addrtype,
  set,
  rpfilter,
  physdev,
  owner,
  policy,
  mac,
  // They count or say something, and match every packet.
  comment: always(true),
  nfacct: always(true),
  limit: rate('the rate is within the limit'),
  hashlimit: rate('the rate is as the rule says'),
  connlimit: rate('the number of connections is as the rule says'),
  connbytes: rate('the flow has carried as much as the rule says'),
  quota: rate('the quota is not used up'),
  recent: rate('the address is in the list as the rule says'),
  statistic: rate('the draw falls so'),
  time: rate('the time is as the rule says'),
};

/** What is known of one match of a rule. @throws {Unanswered} */
function matchHolds({ module, options }: RuleMatch, packet: Packet, answers: Answers): Truth {
  const match = entryOf(matches, module);
  if (match !== undefined) return match(options, packet, answers);
  return unknown(`“-m ${[module, ...options.map(optionText)].join(' ')}” holds`);
}

/** Whether the rule's conditions hold for the packet. @throws {Unanswered} */
export function ruleMatches(rule: TableRule, packet: Packet, answers: Answers): Truth {
  const open: Truth[] = [];
  for (const match of rule.matches) {
    const truth = matchHolds(match, packet, answers);
    // The kernel asks no further either, so nothing is asked of the host in vain.
    if (truth === false) return false;
    open.push(truth);
  }
  return every(open);
}
