/** Which addresses `tsbridge explain` takes for the places that it is given. */
import t from 'tap';
import { Resolver } from '../../../src/cli/explain/resolve.js';
import { type Cidr, contains, parseCidr } from '../../../src/core/address.js';
import { parseDestination, parsePlace } from '../../../src/core/explain/path/places.js';
import type { HostAnswers } from '../../../src/host/look/host-answers.js';

/** A host with this one address, on eth0, by which everything else is reached. */
function hostAt(text: string): HostAnswers {
  const own = parseCidr(text) as Cidr;
  return {
    addresses: {
      networks: () => [own],
      isOwn: (address: string) => address === own.address,
      addressesOf: (_name: string, family: number) => (family === own.family ? [own] : []),
    },
    routeTo: async () => ({ to: 'interface', outInterface: 'eth0' }),
  } as unknown as HostAnswers;
}

async function neighbour(text: string): Promise<string> {
  const [from, to] = [parsePlace('lan'), parseDestination(':80')];
  if (from === undefined || to === undefined) throw new Error('no place');
  const family = text.includes(':') ? 6 : 4;
  const resolver = new Resolver(hostAt(text), undefined);
  const { source } = await resolver.packet({ from, to, family, sourcePort: 40_000 });
  t.ok(contains(parseCidr(text) as Cidr, source), `${source} is in ${text}`);
  return source;
}

t.test('a neighbour has an address that a host can have', async (t) => {
  for (const [own, other] of [
    ['192.0.2.1/24', '192.0.2.2'],
    ['192.0.2.254/24', '192.0.2.253'],
    ['192.0.2.5/30', '192.0.2.6'],
    ['192.0.2.6/30', '192.0.2.5'],
    ['192.0.2.4/31', '192.0.2.5'],
    ['192.0.2.5/31', '192.0.2.4'],
    ['2001:db8::1/64', '2001:db8::2'],
    ['2001:db8::ffff/64', '2001:db8::fffe'],
    ['2001:db8::1/127', '2001:db8::'],
  ] as const) {
    t.equal(await neighbour(own), other, own);
  }
  await t.rejects(neighbour('192.0.2.1/32'), /no neighbour is known on eth0: name an address/);
});
