/**
 * Values of the options that decide which connections of a container pass, and with which source address it sends; and
 * how their texts are read. Docker's driver has none of these options. An endpoint's option counts in place of its
 * network's. Lists are joined with `,` or `;`.
 */
import {
  type Cidr,
  cidrText,
  type Family,
  familyOf,
  hostCidr,
  type IpAddress,
  isLoopback,
  isUnspecified,
  networkOf,
  parseCidr,
  parseIp,
  sameCidr,
} from '../address.js';
import { type InterfaceName, parseInterfaceName } from '../names.js';

/**
 * With which source address a container's packets leave the host. `none`: as Docker's rules say; `published`: the host
 * address on which its ports are published.
 */
export type EgressIp = 'none' | 'published' | { readonly [Each in Family]?: IpAddress };

/** A source address that a network or a container, by its name (`object`), has by `tsbridge.egress_ip`. */
export interface EgressAddress {
  readonly object: string;
  readonly address: IpAddress;
}

/** From where published ports are reached, beside the host itself. */
export type Source =
  | { readonly from: 'network'; readonly cidr: Cidr }
  | { readonly from: 'interface'; readonly name: InterfaceName };

/** An empty list: the host alone. */
export type PublishFrom = 'everywhere' | readonly Source[];

/** What a container may open connections to; without ports: every protocol. */
export interface Destination {
  readonly cidr: Cidr;
  /** Inclusive. */
  readonly ports?: { readonly first: number; readonly last: number };
  /** Absent, if there are ports: TCP and UDP. */
  readonly protocol?: 'tcp' | 'udp';
}

/** An empty list: containers only answer. */
export type EgressAllow = 'any' | readonly Destination[];

/** What a network or an endpoint asks for; an absent field leaves it to the more general place. */
export interface Passage {
  readonly egressIp?: EgressIp;
  readonly publishFrom?: PublishFrom;
  readonly egressAllow?: EgressAllow;
  /** Destinations that see the container's own address; of networks only. */
  readonly noMasqueradeTo?: readonly Cidr[];
}

/** What applies to an endpoint. */
export function passageOf(
  network: { readonly passage?: Passage },
  endpoint: { readonly passage?: Passage },
): Passage {
  return { ...network.passage, ...endpoint.passage };
}

/** Of one list. Each entry becomes a rule for each container or port. */
const mostEntries = 64;

/** A value; or the reason why a text is not one, and what to write in place of it. */
export type Parsed<T> = { readonly value: T } | { readonly reason: string };

/** `none`, `published`, or an address of each family at most, joined with `,`. */
export function parseEgressIp(text: string): Parsed<EgressIp> {
  if (text === 'none' || text === 'published') return { value: text };
  const addresses: { [Each in Family]?: IpAddress } = {};
  for (const word of wordsOf(text)) {
    const address = parseIp(word);
    if (address === undefined || isUnspecified(address) || isLoopback(address)) {
      return {
        reason: `${quoted(word)} is no address of a host: use an IPv4 address, an IPv6 address or both joined with ",", or published or none`,
      };
    }
    const family = familyOf(address);
    if (addresses[family] !== undefined) {
      return { reason: `two IPv${family} addresses: a packet leaves with one, so give one` };
    }
    addresses[family] = address;
  }
  return { value: addresses };
}

/** `everywhere`, or `loopback`, networks, addresses and `dev:INTERFACE`, joined with `,`. */
export function parsePublishFrom(text: string): Parsed<PublishFrom> {
  if (text === 'everywhere') return { value: text };
  const sources: Source[] = [];
  const words = entriesOf(text);
  if ('reason' in words) return words;
  for (const word of words.value) {
    if (word === 'loopback') continue;
    if (word.startsWith('dev:')) {
      const name = parseInterfaceName(word.slice(4));
      if (name === undefined) {
        return { reason: `${quoted(word.slice(4))} is not an interface name: use dev:INTERFACE` };
      }
      sources.push({ from: 'interface', name });
      continue;
    }
    const parsed = parseNetwork(word);
    if ('reason' in parsed) {
      const forms = 'networks (192.0.2.0/24), dev:INTERFACE and loopback, joined with ","';
      return { reason: `${parsed.reason}: use everywhere, or ${forms}` };
    }
    sources.push({ from: 'network', cidr: parsed.value });
  }
  return { value: sources };
}

/** The sources as words of the option `tsbridge.publish_from`; `loopback`: only the host itself. */
export function publishFromWords(sources: readonly Source[]): string[] {
  if (sources.length === 0) return ['loopback'];
  return sources.map((each) =>
    each.from === 'interface' ? `dev:${each.name}` : cidrText(each.cidr),
  );
}

/** Networks joined with `,`. */
export function parseNetworks(text: string): Parsed<readonly Cidr[]> {
  const networks: Cidr[] = [];
  const words = entriesOf(text);
  if ('reason' in words) return words;
  for (const word of words.value) {
    const parsed = parseNetwork(word);
    if ('reason' in parsed) {
      return { reason: `${parsed.reason}: use networks (192.0.2.0/24) joined with ","` };
    }
    networks.push(parsed.value);
  }
  return { value: networks };
}

/** `any`, `none`, or `NETWORK`, `NETWORK:PORT`, `[NETWORK]:FIRST-LAST/tcp` …, joined with `,`. */
export function parseEgressAllow(text: string): Parsed<EgressAllow> {
  if (text === 'any') return { value: text };
  if (text === 'none') return { value: [] };
  const destinations: Destination[] = [];
  const words = entriesOf(text);
  if ('reason' in words) return words;
  for (const word of words.value) {
    const parsed = parseDestination(word);
    if ('reason' in parsed) return parsed;
    destinations.push(parsed.value);
  }
  return { value: destinations };
}

/**
 * The entries of a list, each once. A semicolon joins as well as a comma, which cannot stand within
 * `docker run --network name=N,driver-opt=…`.
 */
const wordsOf = (text: string): string[] => [
  ...new Set(text.split(/[,;]/).map((word) => word.trim())),
];

function entriesOf(text: string): Parsed<readonly string[]> {
  const words = wordsOf(text);
  if (words.length <= mostEntries) return { value: words };
  return {
    reason: `${words.length} entries, of which at most ${mostEntries} are taken: join networks`,
  };
}

const destinationForms =
  'use any, none, or networks with or without ports (192.0.2.0/24, 192.0.2.1:443, 192.0.2.0/24:8000-8080/tcp, ' +
  '[2001:db8::/32]:53/udp) joined with ","';

function parseDestination(word: string): Parsed<Destination> {
  const protocol = /\/(tcp|udp)$/.exec(word)?.[1] as 'tcp' | 'udp' | undefined;
  const rest = protocol === undefined ? word : word.slice(0, -4);
  // An IPv6 network has colons of its own: with ports it stands in brackets.
  const parts =
    /^\[([^\]]*)\]:([\d-]*)$/.exec(rest) ?? /^([^:]*):([\d-]*)$/.exec(rest) ?? undefined;
  const [, network = rest, portText] = parts ?? [];
  if (isName(network)) {
    return {
      reason: `${quoted(network)} is a name: rules know addresses only, and those of a name may change at any time; give its networks, or let a proxy decide by names`,
    };
  }
  const cidr = parseNetwork(network);
  if ('reason' in cidr) return { reason: `${cidr.reason}: ${destinationForms}` };
  if (portText === undefined) {
    if (protocol === undefined) return { value: { cidr: cidr.value } };
    return { reason: `${quoted(word)} has a protocol and no port: ${destinationForms}` };
  }
  const ports = parsePorts(portText);
  if (ports === undefined) {
    return {
      reason: `${quoted(portText)} in ${quoted(word)} is not a port (1 to 65535) or FIRST-LAST`,
    };
  }
  return {
    value: { cidr: cidr.value, ports, ...(protocol === undefined ? {} : { protocol }) },
  };
}

const isName = (text: string): boolean =>
  /^(?=.*[a-z])[a-z0-9_*-]+(\.[a-z0-9_*-]+)*\.?$/i.test(text);

function parsePorts(text: string): { first: number; last: number } | undefined {
  const [, low = '', high = low] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(low), Number(high)];
  return low !== '' && first >= 1 && first <= last && last <= 65_535 ? { first, last } : undefined;
}

/** A network with its address, or an address alone. */
function parseNetwork(text: string): Parsed<Cidr> {
  const address = parseIp(text);
  if (address !== undefined) return { value: hostCidr(address) };
  const cidr = parseCidr(text);
  if (cidr === undefined) return { reason: `${quoted(text)} is not a network` };
  const network = networkOf(cidr);
  if (sameCidr(network, cidr)) return { value: network };
  return {
    reason: `${quoted(text)} is not the address of a network; did you mean ${cidrText(network)}?`,
  };
}

/** The first 60 characters of a user's text, as JSON. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 60));
