/** What signs are about, how those that wait are merged, and which of them a repair is handed. */
import t from 'tap';
import type { Concern } from '../../../src/driver/repair/concerns/concern.js';
import { defaultTiming, Watch } from '../../../src/driver/repair/debounce.js';
import {
  CollectedSigns,
  everything,
  mostLinks,
  type Sign,
  type Signs,
  subjectsOf,
} from '../../../src/driver/repair/signs.js';
import { FakeClock } from '../../fakes/fake-clock.js';
import { RecordingLog } from '../../fakes/recording-log.js';

const shown = ({ families, links }: Signs) => ({
  families: [...families].sort(),
  links: links === 'any' ? links : [...links],
});

function collect(...signs: Sign[]): CollectedSigns {
  const collected = new CollectedSigns();
  for (const sign of signs) collected.add(sign);
  return collected;
}

/** A watch whose repairs answer as `answer` does. */
function make(answer: (signs: Signs) => ReturnType<Concern['repair']>) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const concern = { name: 'rules', repair: (_: unknown, signs: Signs) => answer(signs) };
  return { clock, lines: log.lines, watch: new Watch(concern, log, clock) };
}

t.test('a transaction that changed no tables of iptables is about rules of nobody', async (t) => {
  const nft = { program: 'nft', pid: 1 };
  const firewalld = { program: 'firewalld', pid: 2 };
  for (const [sign, subjects] of [
    [{ kind: 'start' }, ['start']],
    [{ kind: 'link' }, ['links', 'routes']],
    [{ kind: 'link', name: 'br-a' }, ['links', 'routes']],
    [{ kind: 'rules', families: [] }, []],
    [{ kind: 'rules', families: [], author: nft }, []],
    [{ kind: 'rules', families: [6], author: nft }, ['rules']],
    [{ kind: 'rules', families: [4, 6] }, ['rules']],
    [{ kind: 'rules', families: [], author: firewalld }, ['firewalld']],
    [{ kind: 'rules', families: [4], author: firewalld }, ['rules', 'firewalld']],
  ] as const) {
    t.strictSame(subjectsOf(sign), subjects, JSON.stringify(sign));
  }
});

t.test('signs of one kind are merged, and what they name is kept once', async (t) => {
  t.strictSame(shown(collect()), { families: [], links: [] });
  const some = collect(
    { kind: 'rules', families: [6] },
    { kind: 'link', name: 'br-a' },
    { kind: 'rules', families: [6], author: { program: 'nft', pid: 1 } },
    { kind: 'link', name: 'br-a' },
    { kind: 'link', name: 'veth1' },
  );
  t.strictSame(shown(some), { families: [6], links: ['br-a', 'veth1'] });
  t.equal(String(some.authors), 'nft (process 1)');
  some.addAll(collect({ kind: 'rules', families: [4, 6] }, { kind: 'link', name: 'veth2' }));
  t.strictSame(shown(some), { families: [4, 6], links: ['br-a', 'veth1', 'veth2'] });
  t.strictSame(shown(collect({ kind: 'start' })), shown(everything));
});

t.test('when any link may have changed, names are no longer kept', async (t) => {
  const name = { kind: 'link', name: 'br-a' } as const;
  const any = { kind: 'link' } as const;
  for (const signs of [
    [name, any],
    [any, name],
    [name, any, name],
  ]) {
    t.strictSame(shown(collect(...signs)), { families: [], links: 'any' });
  }
  const [before, after] = [collect(name), collect(name)];
  before.addAll(collect(any));
  t.equal(before.links, 'any');
  const all = collect(any);
  all.addAll(after);
  t.equal(all.links, 'any');
});

t.test('names of links do not pile up for ever', async (t) => {
  const links = Array.from({ length: mostLinks }, (_, number) => {
    return { kind: 'link', name: `veth${number}` } as const;
  });
  const many = collect(...links, ...links);
  t.equal(many.links === 'any' ? 0 : many.links.size, mostLinks);
  many.addAll(collect({ kind: 'link', name: 'one more' }));
  t.equal(many.links, 'any');
});

t.test('signs that came before a repair are handed to it, and to no later one', async (t) => {
  const handed: unknown[] = [];
  const { clock, watch } = make(async (signs) => {
    handed.push(shown(signs));
    return [];
  });
  watch.changed({ kind: 'link', name: 'br-a' });
  watch.changed({ kind: 'rules', families: [4], author: { program: 'nft', pid: 1 } });
  watch.changed({ kind: 'link', name: 'veth1' });
  watch.changed({ kind: 'link', name: 'br-a' });
  await clock.pass(1_000);
  watch.changed({ kind: 'link', name: 'veth2' });
  await clock.pass(1_000);
  watch.changed();
  await clock.pass(1_000);
  t.strictSame(handed, [
    { families: [4], links: ['br-a', 'veth1'] },
    { families: [], links: ['veth2'] },
    { families: [], links: [] },
  ]);
});

for (const outcome of ['fails', 'is too early'] as const) {
  t.test(`a repair that ${outcome} gets its signs again, with those that came later`, async (t) => {
    const handed: unknown[] = [];
    let finish = () => {};
    const { clock, lines, watch } = make(async (signs) => {
      handed.push(shown(signs));
      if (handed.length > 1) return ['a'];
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      // What came meanwhile is not added to what this repair was given.
      handed.push(shown(signs));
      if (outcome === 'fails') throw new Error('EBUSY');
      return 'too-early';
    });
    watch.changed({ kind: 'link', name: 'br-a' });
    watch.changed({ kind: 'rules', families: [4], author: { program: 'nft', pid: 1 } });
    await clock.pass(defaultTiming.quietMs);
    watch.changed({ kind: 'link', name: 'br-b' });
    watch.changed({ kind: 'rules', families: [6], author: { program: 'nft', pid: 2 } });
    await clock.pass(defaultTiming.quietMs);
    finish();
    await clock.pass(10_000);
    const before = { families: [4], links: ['br-a'] };
    t.strictSame(handed, [before, before, { families: [4, 6], links: ['br-a', 'br-b'] }]);
    t.match(lines.at(-1)?.fields, { author: 'nft (2 processes, the last was 2)' });
  });
}
