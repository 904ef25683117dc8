/** Matches that the host has to be asked for: addresses, sets, routes, bridges, programs. */
import { anyIpv6, type IpAddress } from '../../address.js';
import { asWritten, notUnderstood } from '../chains/options.js';
import type { RuleOption } from '../chains/rule-table.js';
import { type AddressType, addressTypes } from '../facts.js';
import type { Packet } from '../packet.js';
import { every, type Truth, unknown } from '../truth.js';
import { eachOption, type Match } from './match.js';

type AddressTypeOf = (address: IpAddress) => AddressType;

/** IPv4: the address is of one of the types. */
function isOfType4(types: readonly string[], address: IpAddress, typeOf: AddressTypeOf): boolean {
  return types.includes(typeOf(address));
}

const looked: readonly string[] = ['LOCAL', 'ANYCAST', 'UNREACHABLE'];

/**
 * IPv6, as `match_type6` of the kernel's xt_addrtype: UNICAST, MULTICAST and UNSPEC speak of the address as it
 * is written, so an address of the host's own is UNICAST, too, and all that are asked for have to hold.
 */
function isOfType6(types: readonly string[], address: IpAddress, typeOf: AddressTypeOf): boolean {
  const isMulticast = address.startsWith('ff');
  if (types.includes('MULTICAST') && !isMulticast) return false;
  if (types.includes('UNICAST') && (isMulticast || address === anyIpv6)) return false;
  if (types.includes('UNSPEC') && address !== anyIpv6) return false;
  const others = types.filter((type) => looked.includes(type));
  return others.length === 0 || others.includes(typeOf(address));
}

/** `--limit-iface-in` and `--limit-iface-out` say which interface's addresses count. */
export const addrtype: Match = (options, packet, answers) => {
  const { family } = packet;
  const has = (flag: string) => options.some((option) => option.flag === flag);
  const device = has('--limit-iface-in')
    ? packet.inInterface
    : has('--limit-iface-out')
      ? packet.outInterface
      : undefined;
  const typeOf: AddressTypeOf = (address) => {
    const where = device === undefined ? {} : { interface: device };
    return answers.ask({ kind: 'address-type', family, address, ...where });
  };
  const isOfType = family === 4 ? isOfType4 : isOfType6;
  return every(
    options.map((option) => {
      if (option.flag.startsWith('--limit-iface-')) return true;
      const address = addressOf(option, packet);
      const types = (option.values[0] ?? '').split(',');
      if (address === undefined || !types.every(isAddressType)) return notUnderstood(option);
      return asWritten(option, isOfType(types, address, typeOf));
    }),
  );
};

function isAddressType(word: string): boolean {
  return (addressTypes as readonly string[]).includes(word);
}

function addressOf({ flag }: RuleOption, packet: Packet): IpAddress | undefined {
  if (flag === '--src-type') return packet.source;
  return flag === '--dst-type' ? packet.destination : undefined;
}

export const set: Match = eachOption({
  '--match-set': ([name = '', directions = ''], packet, answers) => {
    const { family, protocol, source, destination, sourcePort, destinationPort, mark } = packet;
    const { inInterface, outInterface } = packet;
    const found = answers.ask({
      kind: 'set',
      name,
      directions: directions.split(','),
      packet: {
        ...{ family, protocol, source, destination, sourcePort, destinationPort, mark },
        ...(inInterface === undefined ? {} : { inInterface }),
        ...(outInterface === undefined ? {} : { outInterface }),
      },
    });
    return found ?? unknown(`set ${name} has the packet's ${directions}`);
  },
});

/** `-m rpfilter` holds if an answer would leave by the interface that the packet came by. */
export const rpfilter: Match = (options, packet, answers) => {
  const flags = options.map(({ flag }) => flag);
  const { family, source, destination, inInterface, mark } = packet;
  if (inInterface === undefined || inInterface === 'lo') return !flags.includes('--invert');
  const reached = answers.ask({
    kind: 'reverse-path',
    ...{ family, source, destination, inInterface },
    mark: flags.includes('--validmark') ? mark : 0,
    loose: flags.includes('--loose'),
  });
  if (reached === undefined) return unknown(`an answer to ${source} leaves by ${inInterface}`);
  return flags.includes('--invert') ? !reached : reached;
};

/**
 * `-m physdev`: a packet that is not a frame of a bridge meets none of its conditions. The names of the bridge's ports
 * by which a frame comes and goes are not known, so conditions about them are not understood.
 */
export const physdev: Match = (
  options,
  { family, bridged, inInterface, outInterface },
  answers,
) => {
  const came =
    bridged === true ||
    (inInterface !== undefined && answers.ask({ kind: 'bridged', family, interface: inInterface }));
  const passes = bridged === true && outInterface !== undefined;
  return every(
    options.map((option) => {
      if (!came) return asWritten(option, false);
      if (option.flag === '--physdev-is-in') return asWritten(option, true);
      if (option.flag === '--physdev-is-bridged' || option.flag === '--physdev-is-out') {
        return asWritten(option, passes);
      }
      return notUnderstood(option);
    }),
  );
};

/** Users of sockets: known for a packet made on the host if the question names the user. */
export const owner: Match = eachOption({
  '--uid-owner': ([value = ''], { inInterface, uid }) => {
    const [low, high = low] = value.split('-').map(Number);
    if (inInterface !== undefined) return false;
    if (uid === undefined || low === undefined || high === undefined) return undefined;
    return low <= uid && uid <= high;
  },
  '--socket-exists': (_, { inInterface }) => inInterface === undefined,
});

/** No packet that is followed here has been, or will be, encrypted by IPsec. */
export const policy: Match = (options) => {
  const wanted = options.find(({ flag }) => flag === '--pol');
  if (wanted === undefined) return every(options.map(notUnderstood));
  return asWritten(wanted, wanted.values[0] === 'none');
};

/** A frame's address is known to nobody who has only the packet; one made on the host has none yet. */
export const mac: Match = (options, { inInterface }): Truth =>
  inInterface === undefined ? false : every(options.map(notUnderstood));
