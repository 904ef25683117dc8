/** Reads the options of the passage (see core/network/passage.ts). All but `no_masquerade_to` are also those of an endpoint. */
import type { Family } from '../../address.js';
import type { Families } from '../../network/network.js';
import {
  type Parsed,
  type Passage,
  parseEgressAllow,
  parseEgressIp,
  parseNetworks,
  parsePublishFrom,
} from '../../network/passage.js';
import type { Problems } from '../../problems.js';
import { type OptionMap, OptionReader } from '../option-reader.js';

/** Options that an endpoint has as well as a network. */
export const endpointPassageOptions = {
  egressIp: 'tsbridge.egress_ip',
  publishFrom: 'tsbridge.publish_from',
  egressAllow: 'tsbridge.egress_allow',
} as const;

export const passageOptions = {
  ...endpointPassageOptions,
  noMasqueradeTo: 'tsbridge.no_masquerade_to',
} as const;

/** @returns what the options ask for; undefined if none of them is given */
export function readPassage(
  options: OptionMap,
  of: 'network' | 'endpoint',
  problems: Problems,
): Passage | undefined {
  const read = new OptionReader(options, problems);
  const value = <T>(name: string, parse: (text: string) => Parsed<T>): T | undefined => {
    const text = read.text(name);
    if (text === undefined) return undefined;
    const parsed = parse(text);
    if ('value' in parsed) return parsed.value;
    read.refuse(name, text, parsed.reason);
    return undefined;
  };
  const given = {
    egressIp: value(passageOptions.egressIp, parseEgressIp),
    publishFrom: value(passageOptions.publishFrom, parsePublishFrom),
    egressAllow: value(passageOptions.egressAllow, parseEgressAllow),
    noMasqueradeTo:
      of === 'network' ? value(passageOptions.noMasqueradeTo, parseNetworks) : undefined,
  };
  const set = Object.entries(given).filter(([, each]) => each !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

/** Properties of a network that decide whether rules can enforce its passage. */
export interface PassageContext extends Partial<Families> {
  readonly internal: boolean;
  readonly unmanaged: boolean;
  /** The families whose rules are written. */
  readonly ruleFamilies: readonly Family[];
}

/** Adds a problem for each option that rules cannot enforce on such a network. */
export function refusePassage(
  passage: Passage,
  { internal, unmanaged, ipv4, ipv6, ruleFamilies }: PassageContext,
  problems: Problems,
): void {
  const names = (Object.keys(passage) as (keyof Passage)[]).map((key) => passageOptions[key]);
  for (const name of names) {
    if (unmanaged) {
      problems.add(
        `${name} cannot go with tsbridge.bridge=unmanaged: what containers of the LAN send and get does not pass the host's rules; leave it out`,
      );
    } else if (internal) {
      problems.add(`${name} cannot go with --internal, where nothing passes: leave it out`);
    }
  }
  const { egressIp, egressAllow, publishFrom } = passage;
  for (const [family, own] of [
    [4, ipv4],
    [6, ipv6],
  ] as const) {
    if (typeof egressIp === 'object' && egressIp[family] !== undefined && own === undefined) {
      problems.add(
        `${passageOptions.egressIp}=${egressIp[family]}: the network has no IPv${family}; leave the address out`,
      );
    }
    if (own === undefined || ruleFamilies.includes(family)) continue;
    for (const [name, isWanted] of [
      [passageOptions.egressAllow, egressAllow !== undefined && egressAllow !== 'any'],
      [passageOptions.publishFrom, publishFrom !== undefined && publishFrom !== 'everywhere'],
      [passageOptions.egressIp, egressIp !== undefined && egressIp !== 'none'],
    ] as const) {
      const off = family === 4 ? 'tsbridge.iptables=false' : 'tsbridge.ip6tables=false';
      if (isWanted)
        problems.add(`${name} needs rules for IPv${family}: leave out ${off}, or ${name}`);
    }
  }
}
