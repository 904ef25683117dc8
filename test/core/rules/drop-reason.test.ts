/** Each rule that drops, of every generation, is told from its chain and interfaces. */
import t from 'tap';
import {
  networkPassageRules,
  portPassageRules,
} from '../../../src/core/generations/own-options/passage.js';
import { parseEndpoint } from '../../../src/core/options/endpoint-options.js';
import { droppingChains, dropReasonOf, dropReasons } from '../../../src/core/rules/drop-reason.js';
import type { Matched, Rule } from '../../../src/core/rules/rule.js';
import { endpointInput, networkSpec } from '../../fakes/inputs.js';
import { goldenRules } from '../../golden/sample-rules.js';

const nameOf = (name: Matched<string> | undefined): string[] =>
  name === undefined ? [] : [typeof name === 'string' ? name : name.not];

const reasonOf = ({ table, chain, matches }: Rule) =>
  dropReasonOf(table, chain, [...nameOf(matches.inInterface), ...nameOf(matches.outInterface)]);

t.test('what the golden rules drop', async (t) => {
  const drops = goldenRules().filter(({ target }) => target === 'DROP');
  const seen = new Set<string | undefined>();
  for (const rule of drops) {
    const reason = reasonOf(rule);
    seen.add(reason);
    t.not(reason, undefined, `${rule.table} ${rule.text}`);
    t.ok(
      droppingChains.some(([table, chain]) => table === rule.table && chain === rule.chain),
      `${rule.table} ${rule.chain} is looked at`,
    );
  }
  const ofOptions = ['publish-from', 'egress-allow'];
  t.strictSame(
    [...seen, ...ofOptions].sort(),
    [...dropReasons].sort(),
    'every reason of Docker’s rules has a rule',
  );
});

t.test('what the rules of options drop', async (t) => {
  const network = networkSpec({
    labels: { 'tsbridge.publish_from': 'loopback', 'tsbridge.egress_allow': 'none' },
  });
  const endpoint = parseEndpoint(endpointInput(), network).spec;
  const run = {
    ...{ hostIp: '0.0.0.0', containerIp: '10.5.0.2', protocol: 'tcp' },
    ...{ hostPort: 8080, containerPort: 80 },
  } as never;
  const placed = [...networkPassageRules(network, 4), ...portPassageRules(network, endpoint, run)];
  const drops = placed.map(({ rule }) => rule).filter(({ target }) => target === 'DROP');
  t.ok(drops.length >= 3);
  for (const rule of drops) {
    t.equal(reasonOf(rule), /EGRESS/.test(rule.chain) ? 'egress-allow' : 'publish-from');
    t.ok(
      droppingChains.some(
        ([table, chain]) => `${table} ${chain}` === `${rule.table} ${rule.chain}`,
      ),
    );
  }
});

t.test('which is which', async (t) => {
  const cases: readonly (readonly [string, string, readonly string[], string | undefined])[] = [
    ['filter', 'DOCKER', ['br-1', 'br-1'], 'unpublished'],
    ['filter', 'DOCKER-ISOLATION-STAGE-2', ['br-1'], 'isolation'],
    ['filter', 'DOCKER-ISOLATION', ['br-1', 'br-2'], 'isolation'],
    ['filter', 'DOCKER-ISOLATION', ['br-1'], 'internal'],
    ['filter', 'DOCKER-ISOLATION', ['br-1', 'br-1'], 'internal'],
    ['filter', 'DOCKER-ISOLATION-STAGE-1', ['br-1'], 'internal'],
    ['filter', 'DOCKER-INTERNAL', ['br-1'], 'internal'],
    ['filter', 'FORWARD', ['br-1', 'br-1'], 'icc'],
    ['filter', 'DOCKER-FORWARD', ['br-1', 'br-1'], 'icc'],
    ['raw', 'PREROUTING', ['br-1'], 'direct-access'],
    ['filter', 'FORWARD', ['br-1'], undefined],
    ['filter', 'FORWARD', ['br-1', 'eth0'], undefined],
    ['filter', 'DOCKER-USER', ['br-1'], undefined],
    ['filter', 'DOCKER', [], undefined],
  ];
  for (const [table, chain, interfaces, reason] of cases) {
    t.equal(dropReasonOf(table, chain, interfaces), reason, `${chain} ${interfaces}`);
  }
});
