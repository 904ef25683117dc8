import t from 'tap';
import { generations } from '../../../src/core/generations/all.js';
import { parseFwMark } from '../../../src/core/rules/fw-mark.js';

t.test('marks, as iptables-save prints them', async (t) => {
  for (const [text, mark] of [
    ['1', '0x1'],
    ['0x2A', '0x2a'],
    ['42/255', '0x2a/0xff'],
    ['0x1/0xffffffff', '0x1'],
    ['4294967295/0', '0xffffffff/0x0'],
  ] as const) {
    t.equal(parseFwMark(text), mark, text);
  }
  for (const text of ['', 'x', '-1', '1/', '/1', '1/2/3', '4294967296', '0x1ffffffff', '1 ']) {
    t.equal(parseFwMark(text), undefined, JSON.stringify(text));
  }
});

t.test('only 29 lets marked packets pass, above everything of its own', async (t) => {
  const bridgeAcceptFwmark = parseFwMark('0x10/0xf0');
  for (const { name, baseRules } of Object.values(generations)) {
    for (const family of [4, 6] as const) {
      const { rules } = baseRules(family, { userlandProxy: true, bridgeAcceptFwmark });
      const forward = rules.filter(({ rule }) => rule.chain === 'DOCKER-FORWARD');
      const first = forward.map(({ rule }) => rule.text)[0];
      const accept = '-m mark --mark 0x10/0xf0 -j ACCEPT';
      t.equal(first === accept, name === 'docker29', `${name} IPv${family}`);
      t.notMatch(
        forward.slice(1).map(({ rule }) => rule.text),
        [/mark/],
      );
    }
  }
});
