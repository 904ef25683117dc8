import t from 'tap';
import { text } from '../../../src/codec/netlink/netlink-message.js';
import {
  type AttributeNode,
  writeAttributes,
} from '../../../src/codec/nf-tables/nft-expressions.js';
import type { ReportedRule } from '../../../src/codec/nf-tables/nft-rule-messages.js';
import type { Cidr, Family } from '../../../src/core/address.js';
import { parseCidr } from '../../../src/core/address.js';
import type { InterfaceName } from '../../../src/core/names.js';
import type { Port } from '../../../src/core/ports/port.js';
import { parseRule } from '../../../src/core/rules/parse-rule.js';
import { makeRule, type Rule } from '../../../src/core/rules/rule.js';
import { maskedBytes, shapeOf } from '../../../src/core/rules/rule-shape.js';
import { type Probe, RuleLearning } from '../../../src/host/nf-tables/rule-learning.js';
import { RecordingLog } from '../../fakes/recording-log.js';

const port80 = { protocol: 'tcp', destinationPort: 80 as Port } as const;
const byName = makeRule(4, 'filter', 'DOCKER', { inInterface: 'br-1' as InterfaceName }, 'ACCEPT');
const byPort = makeRule(4, 'filter', 'DOCKER', port80, 'DROP');
const in6 = makeRule(6, 'filter', 'DOCKER', port80, 'DROP');
const whole = makeRule(4, 'filter', 'DOCKER', { source: parseCidr('0.0.0.0/0') as Cidr }, 'DROP');

/** What this iptables writes: the values one after the other. */
function bytesOf(rule: Rule): Buffer {
  const data = (shapeOf(rule)?.values ?? []).map((value, index): AttributeNode => {
    const bytes =
      value.kind === 'name'
        ? text(value.name)
        : value.kind === 'port'
          ? Buffer.of(value.port >> 8, value.port & 0xff)
          : Buffer.from(maskedBytes(value.address, value.prefixLength));
    return { type: index + 1, value: bytes };
  });
  const name = { type: 1, value: text('x') };
  return writeAttributes([{ type: 1, children: [name, { type: 2, children: data }] }]).bytes;
}

class FakeProbe implements Probe {
  /** Each text that iptables was given. */
  readonly texts: string[] = [];
  version: string | undefined = '1';
  refused: RegExp | undefined;
  lost = 0;

  program(): string | undefined {
    return this.version;
  }

  async run(family: Family, input: string): Promise<readonly ReportedRule[]> {
    this.texts.push(input);
    if (this.refused?.test(input)) throw new Error('iptables-restore: line 7 failed');
    const lines = [...input.matchAll(/^-A (\S+) (.*)$/gm)];
    const reported = lines.map(([, chain = '', line = '']): ReportedRule => {
      const rule = parseRule(family, 'filter', 'DOCKER', line);
      if (rule === undefined) throw new Error(`no rule: ${line}`);
      return { family, table: 'filter', chain, handle: 1, expressions: bytesOf(rule) };
    });
    const others = [{ ...reported[0], chain: 'DOCKER' } as ReportedRule];
    return [...others, ...reported.slice(this.lost)];
  }
}

t.test('each kind of rule is learnt once, all of a table together', async (t) => {
  const probe = new FakeProbe();
  const learning = new RuleLearning(probe, new RecordingLog());
  t.ok(learning.follow(4));
  t.equal(learning.expressions(byName), undefined);
  await learning.learn([byName, byPort, in6, byName, whole]);
  t.equal(probe.texts.length, 2, 'one for each family');
  for (const rule of [byName, byPort, in6]) t.same(learning.expressions(rule), bytesOf(rule));
  t.equal(learning.expressions(whole), undefined, 'a rule that is not taken apart');
  await Promise.all([learning.learn([byName]), learning.learn([in6])]);
  t.equal(probe.texts.length, 2, 'nothing is new');
});

t.test('what iptables refuses stays unknown, and nothing else', async (t) => {
  const probe = new FakeProbe();
  const log = new RecordingLog();
  const learning = new RuleLearning(probe, log);
  probe.refused = /--dport/;
  for (let attempt = 0; attempt < 5; attempt += 1) await learning.learn([byName, byPort]);
  t.ok(learning.expressions(byName));
  t.equal(learning.expressions(byPort), undefined);
  t.equal(probe.texts.length, 1 + 2 + 2, 'it is not tried for ever');
  t.match(log.lines.at(-1), { fields: { reason: /line 7 failed/ } });
});

t.test('reports that are lost teach nothing', async (t) => {
  const probe = new FakeProbe();
  const log = new RecordingLog();
  const learning = new RuleLearning(probe, log);
  probe.lost = 1;
  await learning.learn([byName]);
  t.equal(learning.expressions(byName), undefined);
  t.match(log.lines.at(-1), { fields: { reason: 'the kernel reported 2 of 3 rules' } });
});

t.test('another iptables is learnt from anew', async (t) => {
  const probe = new FakeProbe();
  const learning = new RuleLearning(probe, new RecordingLog());
  await learning.learn([byName]);
  probe.version = '2';
  t.ok(learning.follow(4));
  t.equal(learning.expressions(byName), undefined);
  probe.version = undefined;
  t.notOk(learning.follow(4), 'iptables-legacy');
  await learning.learn([byName]);
  t.equal(probe.texts.length, 1);
  probe.version = '3';
  probe.run = async () => {
    probe.version = '4';
    return [];
  };
  await learning.learn([byName]);
  t.equal(learning.expressions(byName), undefined, 'replaced while it ran');
});
