/** Tells why a rule in Docker's chains or in ours drops packets, from its chain and the interfaces that it names. */
import type { DockerChain, OwnedChain, Table } from './rule.js';

export const dropReasons = [
  /** The packet is for a port of a container that is not published. */
  'unpublished',
  /** The packet goes from one network to another. */
  'isolation',
  /** The packet goes into an internal network, or out of it. */
  'internal',
  /** The packet goes from one container to another of a network without icc. */
  'icc',
  /** The packet was sent to a container's own address from outside of its network. */
  'direct-access',
  /** The packet is for a published port that `tsbridge.publish_from` keeps its sender from. */
  'publish-from',
  /** The container may not open connections there, by `tsbridge.egress_allow`. */
  'egress-allow',
] as const;
export type DropReason = (typeof dropReasons)[number];

/** The chains in which any generation of Docker's rules drops, and those of our own. */
export const droppingChains: readonly (readonly [
  Table,
  DockerChain | OwnedChain | 'FORWARD' | 'PREROUTING',
])[] = [
  ['raw', 'PREROUTING'],
  ['filter', 'FORWARD'],
  ['filter', 'DOCKER-FORWARD'],
  ['filter', 'DOCKER'],
  ['filter', 'DOCKER-INTERNAL'],
  ['filter', 'DOCKER-ISOLATION'],
  ['filter', 'DOCKER-ISOLATION-STAGE-1'],
  ['filter', 'DOCKER-ISOLATION-STAGE-2'],
  ['mangle', 'TSBRIDGE-PUBLISH-DROP'],
  ['mangle', 'TSBRIDGE-PROXY-DROP'],
  ['mangle', 'TSBRIDGE-EGRESS-DROP'],
];

/**
 * @param interfaces the names in the rule's matches for interfaces, with or without a `!`
 * @returns undefined if the rule is of none of these kinds, such as an administrator's
 */
export function dropReasonOf(
  table: string,
  chain: string,
  interfaces: readonly string[],
): DropReason | undefined {
  const different = new Set(interfaces).size;
  if (different === 0) return undefined;
  switch (`${table} ${chain}`) {
    case 'raw PREROUTING':
      return 'direct-access';
    case 'filter DOCKER':
      return 'unpublished';
    case 'filter DOCKER-ISOLATION-STAGE-2':
      return 'isolation';
    case 'filter DOCKER-ISOLATION':
      // Docker 17.03 has both kinds in this chain; those that isolate name two bridges, the others one.
      return different === 2 ? 'isolation' : 'internal';
    case 'filter DOCKER-ISOLATION-STAGE-1':
    case 'filter DOCKER-INTERNAL':
      return 'internal';
    case 'filter FORWARD':
    case 'filter DOCKER-FORWARD':
      return interfaces.length === 2 && different === 1 ? 'icc' : undefined;
    case 'mangle TSBRIDGE-PUBLISH-DROP':
    case 'mangle TSBRIDGE-PROXY-DROP':
      return 'publish-from';
    case 'mangle TSBRIDGE-EGRESS-DROP':
      return 'egress-allow';
    default:
      return undefined;
  }
}
