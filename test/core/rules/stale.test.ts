import t from 'tap';
import { parseCidr } from '../../../src/core/address.js';
import { RuleSet } from '../../../src/core/rules/rule-set.js';
import { findStale, type OwnThings } from '../../../src/core/rules/stale.js';
import { makeBinding } from '../../golden/golden.js';

const subnet = parseCidr('10.6.0.0/24');
const own: OwnThings = {
  bridges: new Set(['br-x']),
  sharedBridges: new Set(['br0']),
  subnets: subnet === undefined ? [] : [subnet],
  bindings: [
    makeBinding('0.0.0.0:8080', '10.6.0.2:80'),
    makeBinding('192.0.2.1:8090', '10.6.0.2:90', 'udp'),
    makeBinding('[::]:8081', '10.6.0.2:81'),
  ],
};

/** The only rule of this chain, if it is stale, and the interfaces that have to be gone. */
function strangers(text: string, table: 'nat' | 'filter' = 'nat', chain = 'DOCKER') {
  const observed = new RuleSet();
  observed.append(table, chain, text);
  const [found] = run(observed, new RuleSet());
  return found?.strangers;
}

function run(observed: RuleSet, wanted: RuleSet) {
  const steps = findStale(4, observed, wanted, own);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

t.test('a rule is about us by our bridge, our addresses, or a port that we hold', async (t) => {
  const to = '-j DNAT --to-destination';
  for (const text of [
    `! -i br-x -p tcp -m tcp --dport 9999 ${to} 172.30.0.9:80`,
    '-i br-x -j RETURN',
    `-p tcp -m tcp --dport 9999 ${to} 10.6.0.77:80`,
    `-p tcp -m tcp --dport 8080 ${to} 172.30.0.9:80`,
    `-p tcp -m tcp --dport 8000:8100 ${to} 172.30.0.9`,
    `-d 192.0.2.1/32 -p tcp -m tcp --dport 8080 ${to} 172.30.0.9:80`,
    `! -d 127.0.0.0/8 -p tcp -m tcp --dport 8080 ${to} 172.30.0.9:80`,
    `-d 192.0.2.1/32 -p udp -m udp --dport 8090 ${to} 172.30.0.9:80`,
  ]) {
    t.strictSame(strangers(text), [], text);
  }
  t.strictSame(strangers('-d 10.6.0.9/32 -p tcp -m tcp --dport 80 -j ACCEPT', 'filter'), []);
  t.strictSame(strangers('-o br-x -j DROP', 'filter', 'DOCKER-ISOLATION-STAGE-2'), []);
  t.strictSame(strangers('! -s 10.6.0.0/24 -o br-x -j DROP', 'filter', 'DOCKER-INTERNAL'), []);
});

t.test('another interface makes it ours only if it is gone', async (t) => {
  const to = '-j DNAT --to-destination 10.6.0.9:80';
  t.strictSame(strangers(`! -i br-old -p tcp -m tcp --dport 8080 ${to}`), ['br-old']);
  t.strictSame(strangers('-i br-x -o docker0 -j DROP', 'filter', 'DOCKER-ISOLATION'), ['docker0']);
});

t.test('a bridge of the user proves nothing, and is in the way of nothing', async (t) => {
  const accept = (address: string) =>
    strangers(`-d ${address}/32 ! -i br0 -o br0 -p tcp -m tcp --dport 80 -j ACCEPT`, 'filter');
  t.strictSame(accept('10.6.0.9'), []);
  t.equal(accept('172.30.0.9'), undefined, 'of a network of another driver on the same bridge');
  t.equal(strangers('-i br0 -j RETURN'), undefined);
  const to = '-j DNAT --to-destination 172.30.0.9:80';
  t.strictSame(strangers(`! -i br0 -p tcp -m tcp --dport 8080 ${to}`), ['br0'], 'a port of ours');
});

t.test('what is not about us is left alone', async (t) => {
  const to = '-j DNAT --to-destination 172.30.0.9:80';
  for (const text of [
    `! -i docker0 -p tcp -m tcp --dport 9999 ${to}`,
    `-p udp -m udp --dport 8080 ${to}`,
    `-d 192.0.2.9/32 -p udp -m udp --dport 8090 ${to}`,
    `-p tcp -m tcp --dport 8081 ${to}`,
    `-p tcp ${to}`,
    '-i docker0 -j RETURN',
    '-j RETURN',
    '-s 10.0.0.0/8 -j RETURN',
    '-i br-x -m comment --comment "mine" -j RETURN',
  ]) {
    t.equal(strangers(text), undefined, text);
  }
  for (const chain of ['DOCKER-USER', 'DOCKER-INGRESS', 'FORWARD', 'MINE']) {
    t.equal(strangers('-i br-x -j DROP', 'filter', chain), undefined, chain);
  }
});

t.test('what is wanted is not stale, and copies are found once', async (t) => {
  const [observed, wanted] = [new RuleSet(), new RuleSet()];
  wanted.append('nat', 'DOCKER', '-i br-x -j RETURN');
  for (const text of ['-i br-x -j RETURN', '-i br-x -j ACCEPT', '-i br-x -j ACCEPT']) {
    observed.append('nat', 'DOCKER', text);
  }
  t.strictSame(
    run(observed, wanted).map(({ rule }) => rule.text as string),
    ['-i br-x -j ACCEPT'],
  );
});

t.test('in chains of the driver’s own, everything that is not wanted', async (t) => {
  const observed = new RuleSet();
  const wanted = new RuleSet();
  for (const text of [
    '-d 172.30.0.9/32 -o br-other -j RETURN',
    '-j TSBRIDGE-PUBLISH-DROP',
    '-j LOG',
  ]) {
    observed.append('mangle', 'TSBRIDGE-PUBLISH', text);
  }
  wanted.append('mangle', 'TSBRIDGE-PUBLISH', '-j TSBRIDGE-PUBLISH-DROP');
  t.match(run(observed, wanted), [
    { rule: { text: '-d 172.30.0.9/32 -o br-other -j RETURN' }, strangers: [], leadsTo: undefined },
  ]);
});
