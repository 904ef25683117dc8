import fc from 'fast-check';
import t from 'tap';
import { didYouMean, nearest } from '../../src/core/nearest.js';

const flags = ['userland-proxy', 'iptables', 'ip6tables', 'ip-forward', 'ip-masq', 'log-level'];

t.test('a word is proposed in spite of typing mistakes', (t) => {
  t.equal(nearest('userland-prox', flags), 'userland-proxy', 'a letter too few');
  t.equal(nearest('iptabels', flags), 'iptables', 'two swapped');
  t.equal(nearest('ip4tables', flags), 'iptables', 'the first of those equally near');
  t.equal(nearest('USERLAND-PROXY', flags), 'userland-proxy', 'case');
  t.equal(nearest('userland_proxy', flags), 'userland-proxy', 'another separator');
  t.end();
});

t.test('a word is proposed for a part of it', (t) => {
  t.equal(nearest('proxy', flags), 'userland-proxy');
  t.equal(nearest('ip-', flags), 'ip-masq', 'the shortest that begins so');
  t.equal(nearest('tables', flags), 'iptables');
  t.end();
});

t.test('no word is proposed where none is near enough', (t) => {
  t.equal(nearest('firewall-backend', flags), undefined);
  t.equal(nearest('x', flags), undefined);
  t.equal(nearest('', flags), undefined);
  t.equal(nearest('iptables', []), undefined);
  t.end();
});

t.test('the proposal is worded as a question', (t) => {
  t.equal(
    didYouMean('iptable', flags, (flag) => `--${flag}`),
    '; did you mean --iptables?',
  );
  t.equal(didYouMean('tru', ['true', 'false']), '; did you mean true?');
  t.equal(didYouMean('zzzz', ['true', 'false']), '');
  t.end();
});

t.test('a word that exists is nearest to itself', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { minLength: 1 }), fc.nat(), (words, index) => {
      const word = words[index % words.length] ?? '';
      return nearest(word, words)?.toLowerCase() === word.toLowerCase();
    }),
  );
  t.end();
});
