/** Addresses of throwaway networks: free, and told apart. */
import t from 'tap';
import { type Cidr, cidrText, overlaps, parseCidr } from '../../../src/core/address.js';
import { blocksText, chooseAddresses } from '../../../src/core/connectivity/addresses.js';

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};
const subnets = (taken: readonly string[], random: () => number) => {
  const { tested, other, uplink } = chooseAddresses(taken.map(cidr), random);
  return [tested, other, uplink].flatMap((blocks) => [blocks[4].subnet, blocks[6].subnet]);
};

t.test('three blocks of each family, which do not overlap', async (t) => {
  const found = subnets([], () => 0.5);
  t.strictSame(found.map(cidrText), [
    ...['198.19.0.0/24', 'fd7e:8000:8000:1::/64'],
    ...['198.19.1.0/24', 'fd7e:8000:8000:2::/64'],
    ...['198.19.2.0/24', 'fd7e:8000:8000:3::/64'],
  ]);
  const { tested } = chooseAddresses([], () => 0.5);
  t.equal(tested[4].at(2).address, '198.19.0.2');
  t.equal(cidrText(tested[6].at(16)), 'fd7e:8000:8000:1::10/64');
  t.equal(blocksText(tested, [4, 6]), '198.19.0.0/24, fd7e:8000:8000:1::/64');
});

t.test('what is taken is passed by, also behind the end of the range', async (t) => {
  const taken = ['198.19.255.0/24', '198.18.0.0/30'];
  const found = subnets(taken, () => 0.999);
  t.strictSame(found.filter(({ family }) => family === 4).map(cidrText), [
    ...['198.18.1.0/24', '198.18.2.0/24', '198.18.3.0/24'],
  ]);
  for (const one of found) t.notOk(taken.some((other) => overlaps(one, cidr(other))));
});

t.test('ways out take nothing', async (t) => {
  const vpn = ['0.0.0.0/1', '128.0.0.0/1', '::/0', '2000::/3', '8000::/1'];
  t.strictSame(
    subnets(vpn, () => 0),
    subnets([], () => 0),
  );
});

t.test('another group of IPv6 is tried, and an end is made of it', async (t) => {
  const values = [0, 0, 0, 0.5, 0.5];
  const found = subnets(['fd7e:0:0:2::/64'], () => values.shift() ?? 0);
  t.strictSame(cidrText(found[1] as Cidr), 'fd7e:8000:8000:1::/64');
  t.throws(() => subnets(['fd00::/16', 'fd7e::/16'], () => 0), /all of fd00::\/8 is in use here/);
  t.throws(() => subnets(['198.18.0.0/15'], () => 0), /all of 198\.18\.0\.0\/15 is in use here/);
});
