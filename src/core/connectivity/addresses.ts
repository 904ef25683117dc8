/** Addresses for throwaway networks that neither the host nor what it has a route to uses. */
import {
  type Cidr,
  cidrText,
  type Family,
  type IpAddress,
  overlaps,
  parseCidr,
  parseIp,
} from '../address.js';

/** A subnet; `first`, `second` and so on are its addresses from the lowest on. */
export interface Block {
  readonly subnet: Cidr;
  /** With the length of the subnet's prefix. @param number from 1 on */
  at(number: number): Cidr;
}

/** One block of each family for each network, and one for the link to the outside host. */
export interface TestAddresses {
  readonly tested: Readonly<Record<Family, Block>>;
  readonly other: Readonly<Record<Family, Block>>;
  readonly uplink: Readonly<Record<Family, Block>>;
}

/** 198.18.0.0/15 is for measuring networks (RFC 2544): nobody's host, container or VPN has addresses of it. */
const blocksOf4 = Array.from({ length: 512 }, (_, index) => {
  return `198.${18 + (index >> 8)}.${index & 255}`;
});
/** How many global ids (RFC 4193) are tried: one that is taken is a coincidence. */
const attempts = 16;
/** Routes with a shorter prefix are ways out, as a default route is. */
const shortest: Readonly<Record<Family, number>> = { 4: 8, 6: 16 };

const inUse =
  'is in use here: test networks have addresses of it, so it must not be routed as a whole (ip route show table all)';

/**
 * @param taken networks that the host is in or has routes to, and those of containers; ways out do not count
 * @param random from 0 to below 1
 * @throws {Error} if everything is taken
 */
export function chooseAddresses(taken: readonly Cidr[], random: () => number): TestAddresses {
  const near = taken.filter(({ family, prefixLength }) => prefixLength >= shortest[family]);
  const isFree = ({ subnet }: Block) => !near.some((other) => overlaps(subnet, other));
  const start = Math.floor(random() * blocksOf4.length);
  const inTurn = [...blocksOf4.slice(start), ...blocksOf4.slice(0, start)];
  const four = inTurn.map((begin) => block(`${begin}.0/24`, (number) => `${begin}.${number}`));
  const [tested4, other4, uplink4] = four.filter(isFree);
  const [tested6, other6, uplink6] = uniqueLocal(isFree, random);
  if (!tested4 || !other4 || !uplink4) throw new Error(`all of 198.18.0.0/15 ${inUse}`);
  if (!tested6 || !other6 || !uplink6) throw new Error(`all of fd00::/8 ${inUse}`);
  return {
    tested: { 4: tested4, 6: tested6 },
    other: { 4: other4, 6: other6 },
    uplink: { 4: uplink4, 6: uplink6 },
  };
}

function uniqueLocal(isFree: (block: Block) => boolean, random: () => number): readonly Block[] {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const group = () => Math.floor(random() * 0x10000).toString(16);
    const begin = `fd7e:${group()}:${group()}`;
    const blocks = [1, 2, 3].map((number) =>
      block(`${begin}:${number}::/64`, (host) => `${begin}:${number}::${host.toString(16)}`),
    );
    if (blocks.every(isFree)) return blocks;
  }
  return [];
}

function block(text: string, address: (number: number) => string): Block {
  const subnet = parseCidr(text);
  if (subnet === undefined) throw new Error(`${text} is no subnet`);
  return {
    subnet,
    at: (number) => ({ ...subnet, address: known(address(number)) }),
  };
}

function known(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

/** `198.18.7.0/24, fd7e:1:2:3::/64` */
export function blocksText(
  blocks: Readonly<Record<Family, Block>>,
  families: readonly Family[],
): string {
  return families.map((family) => cidrText(blocks[family].subnet)).join(', ');
}
