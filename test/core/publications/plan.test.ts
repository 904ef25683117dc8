import t from 'tap';
import type { ContainerId, EndpointId, EngineName, NetworkId } from '../../../src/core/names.js';
import { type PublishableEndpoint, planPublications } from '../../../src/core/publications/plan.js';
import {
  askerText,
  ownerOfPublished,
  type Publication,
  type PublicationId,
  parsePublicationId,
  parseUserName,
  placeOf,
  sameTarget,
} from '../../../src/core/publications/publication.js';
import { parsePortWord } from '../../../src/core/publications/words.js';

const hex = (digit: string, length = 64) => digit.repeat(length);
const container = (digit: string, name: string) => ({
  id: hex(digit) as ContainerId,
  name: name as EngineName,
});
const shop = { id: hex('5') as NetworkId, name: 'shop' as EngineName };
const nameless = { id: hex('6') as NetworkId, name: undefined };

function publication(digit: string, more: Partial<Publication> = {}): Publication {
  const ports = parsePortWord('9229:9229');
  if (typeof ports === 'string') throw new Error(ports);
  return {
    id: hex(digit, 32) as PublicationId,
    kept: { for: 'container', container: hex('a') as ContainerId },
    container: 'web' as EngineName,
    network: shop,
    ...ports,
    asker: { uid: 0, sudoUser: undefined },
    since: '2026-11-26T09:12:00.000Z',
    ...more,
  };
}

function endpoint(digit: string, more: Partial<PublishableEndpoint> = {}): PublishableEndpoint {
  return {
    id: hex(digit) as EndpointId,
    network: shop,
    container: container('a', 'web'),
    inUse: true,
    has: [],
    ...more,
  };
}

const plan = (
  publications: readonly Publication[],
  endpoints: readonly PublishableEndpoint[],
  unreadable = '',
) => {
  const known = (id: string) => publications.some((each) => each.id === id) || id === unreadable;
  const made = planPublications(publications, endpoints, known);
  return {
    open: made.open.map((each) => `${each.publication.id[0]} on ${each.endpoint[0]}`),
    close: made.close.map(({ endpoint, id }) => `${id[0]} on ${endpoint[0]}`),
    over: made.over.map(({ id }) => id[0]),
    waiting: made.waiting.map(({ id }) => id[0]),
  };
};
const nothing = { open: [], close: [], over: [], waiting: [] };
const byName = { kept: { for: 'name' } } as const;

t.test('it is opened where its container is', async (t) => {
  const all = [publication('1'), publication('2', byName)];
  t.same(plan(all, []), { ...nothing, waiting: ['1', '2'] });
  t.same(plan(all, [endpoint('e')]), { ...nothing, open: ['1 on e', '2 on e'] });
  t.same(plan(all, [endpoint('e', { container: undefined })]), { ...nothing, waiting: ['1', '2'] });
  t.same(plan(all, [endpoint('e', { inUse: false })]), { ...nothing, waiting: ['1', '2'] });
  const renewed = endpoint('e', { container: container('b', 'web') });
  t.same(plan(all, [renewed]), { ...nothing, open: ['2 on e'], waiting: ['1'] });
  const renamed = endpoint('e', { container: container('a', 'old') });
  t.same(plan(all, [renamed]), { ...nothing, open: ['1 on e'], waiting: ['2'] });
});

t.test('and on its network: the same, or one of the same name', async (t) => {
  const all = [publication('1')];
  const other = { id: hex('7') as NetworkId, name: 'other' as EngineName };
  t.same(plan(all, [endpoint('e', { network: other })]), { ...nothing, waiting: ['1'] });
  t.same(plan(all, [endpoint('e', { network: { ...other, name: shop.name } })]).open, ['1 on e']);
  t.same(plan(all, [endpoint('e', { network: { ...shop, name: undefined } })]).open, ['1 on e']);
  t.same(plan([publication('1', { network: nameless })], [endpoint('e')]).open, []);
  const two = [endpoint('d', { network: other }), endpoint('e')];
  t.same(plan(all, two), { ...nothing, open: ['1 on e'] });
});

t.test('what is open stays until the endpoint has left', async (t) => {
  const all = [publication('2', byName)];
  const has = [hex('2', 32) as PublicationId];
  const old = endpoint('d', { container: container('a', 'old_web'), has });
  const renewed = endpoint('e', { container: container('b', 'web') });
  t.same(plan(all, [old]), nothing);
  t.same(plan(all, [old, renewed]), nothing, 'not before');
  t.same(plan(all, [renewed]), { ...nothing, open: ['2 on e'] });
});

t.test('what was unpublished is closed; what cannot be read is not', async (t) => {
  const has = [hex('3', 32) as PublicationId];
  t.same(plan([], [endpoint('e', { has })]), { ...nothing, close: ['3 on e'] });
  t.same(plan([], [endpoint('e', { has })], hex('3', 32)), nothing);
});

t.test('until the container stops', async (t) => {
  const all = [publication('1', { kept: { for: 'start', endpoint: hex('e') as EndpointId } })];
  t.same(plan(all, [endpoint('e', { container: undefined })]).open, ['1 on e']);
  const has = [hex('1', 32) as PublicationId];
  t.same(plan(all, [endpoint('e', { has })]), nothing);
  t.same(plan(all, [endpoint('d')]), { ...nothing, over: ['1'] }, 'another start');
});

t.test('words', async (t) => {
  t.equal(parsePublicationId(hex('a', 32)), hex('a', 32));
  t.equal(parsePublicationId('../..'), undefined);
  t.equal(parseUserName('jane doe'), undefined);
  t.equal(placeOf(publication('1')), 'web@shop');
  t.equal(placeOf(publication('1', { network: nameless })), 'web@666666666666');
  t.equal(askerText({ uid: 1000, sudoUser: parseUserName('jane') }), 'user 1000 (sudo: jane)');
  t.equal(askerText({ uid: undefined, sudoUser: undefined }), 'an unknown user');
  t.strictSame(ownerOfPublished(publication('1')), {
    name: '"tsbridge publish" for container web since 2026-11-26T09:12:00.000Z',
    wayOut: 'free it with "tsbridge unpublish web@shop 9229:9229/tcp"',
  });
});

t.test('for the same', async (t) => {
  const one = publication('1');
  const named = publication('2', byName);
  const start = (digit: string) =>
    publication('3', { kept: { for: 'start', endpoint: hex(digit) as EndpointId } });
  const other = publication('1', {
    kept: { for: 'container', container: hex('b') as ContainerId },
  });
  t.equal(sameTarget(one, one), true);
  t.equal(sameTarget(one, named), false);
  t.equal(sameTarget(one, other), false);
  t.equal(sameTarget(one, { ...one, network: nameless }), false);
  t.equal(sameTarget(named, named), true);
  t.equal(sameTarget(named, { ...named, container: 'db' as EngineName }), false);
  t.equal(sameTarget(start('e'), start('e')), true);
  t.equal(sameTarget(start('e'), start('d')), false);
});
