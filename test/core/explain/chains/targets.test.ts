import t from 'tap';
import { readRuleText } from '../../../../src/codec/iptables/iptables-words.js';
import { type Effect, effectOf } from '../../../../src/core/explain/chains/targets.js';
import { Answers } from '../../../../src/core/explain/facts.js';
import { ruleMatches } from '../../../../src/core/explain/matches/all.js';
import { beginsFlow, newFlow, type Packet, tcpFlags } from '../../../../src/core/explain/packet.js';
import { ip, made, packet, packet6 } from '../host.js';

function effect(text: string, of: Packet = tracked(packet()), answers = new Answers()): Effect {
  const { target } = readRuleText(`-j ${text}`);
  if (target === undefined) throw new Error(`no target: ${text}`);
  return effectOf(target, of, answers);
}

function tracked(of: Packet): Packet {
  return { ...of, flow: newFlow(of) };
}

/** The packet after a rule that lets it go on. */
function after(text: string, of?: Packet): Packet {
  const result = effect(text, of);
  if (!('packet' in result)) throw new Error(`${text}: ${result.kind}`);
  return result.packet;
}

t.test('marks of packets and flows', async (t) => {
  const marked = tracked(packet({ mark: 0xf3 }));
  t.equal(after('MARK --set-xmark 0x5/0xffffffff', marked).mark, 5);
  t.equal(after('MARK --set-xmark 0x4/0xf', marked).mark, 0xf4);
  t.equal(after('MARK --set-xmark 0x80000000/0x80000000', marked).mark, 0x800000f3);
  t.match(after('CONNMARK --set-xmark 0x7/0xff', marked), { flow: { mark: 7 } });
  t.match(after('CONNMARK --save-mark --nfmask 0xf --ctmask 0xff', marked), { flow: { mark: 3 } });
  t.match(after('CONNMARK --save-mark --mask 0xf0', marked), { flow: { mark: 0xf0 } });
  const known = { ...marked, flow: { ...newFlow(marked), mark: 0x15 } };
  t.equal(after('CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf', known).mark, 0xf5);
  t.equal(after('CONNMARK --restore-mark', packet()).mark, 0, 'without a flow nothing happens');
  for (const text of [
    'MARK',
    'MARK --set-xmark x',
    'CONNMARK',
    'TOS --set-tos',
    'DSCP --set-dscp',
  ]) {
    t.match(effect(text), { kind: 'unknown' }, text);
  }
});

t.test('changes of the header', async (t) => {
  t.equal(after('TTL --ttl-set 9').ttl, 9);
  t.equal(after('TTL --ttl-dec 1').ttl, 63);
  t.equal(after('HL --hl-inc 2', packet6()).ttl, 66);
  t.match(effect('TTL --ttl-set many'), { kind: 'unknown' });
  t.match(effect('TTL --ttl-new 1'), { kind: 'unknown' });
  t.match(effect('TTL'), { kind: 'unknown' });
  t.equal(after('TOS --set-tos 0x10/0x3f', packet({ tos: 0xc1 })).tos, 0xd0);
  t.equal(after('DSCP --set-dscp 0x2e', packet({ tos: 1 })).tos, 0xb9);
});

t.test('what is only said or counted changes nothing', async (t) => {
  for (const text of ['LOG --log-prefix "x "', 'TCPMSS --clamp-mss-to-pmtu', 'CT --zone 1']) {
    t.strictSame(after(text, packet()), packet(), text);
  }
});

t.test('tracking is left out only before it has looked', async (t) => {
  t.equal(after('CT --notrack', packet()).flow, 'untracked');
  t.equal(after('NOTRACK', packet()).flow, 'untracked');
  t.match(after('NOTRACK', tracked(packet())).flow, { state: 'new' });
});

t.test('new destinations', async (t) => {
  const to = (text: string, of = tracked(packet())) => {
    const { destination, destinationPort, flow } = after(text, of);
    return `${destination} ${destinationPort} ${(flow as { destinationTranslated: boolean }).destinationTranslated}`;
  };
  t.equal(to('DNAT --to-destination 172.20.0.2'), '172.20.0.2 80 true');
  t.equal(to('DNAT --to-destination 172.20.0.2:8080'), '172.20.0.2 8080 true');
  t.equal(to('DNAT --to-destination 172.20.0.2-172.20.0.9:8080'), '172.20.0.2 8080 true');
  t.equal(to('DNAT --to-destination 172.20.0.2:8000-8010'), '172.20.0.2 8000 true');
  t.equal(to('DNAT --to-destination 172.20.0.2:70-90'), '172.20.0.2 80 true');
  t.equal(to('DNAT --to-destination 172.20.0.2:8000-8010/78'), '172.20.0.2 8002 true');
  t.equal(to('DNAT --to-destination :8080'), '192.0.2.1 8080 true');
  t.equal(to('DNAT --to-destination 192.0.2.1:80'), '192.0.2.1 80 false', 'as it was');
  const six = tracked(packet6());
  t.equal(to('DNAT --to-destination fd00::2', six), 'fd00::2 80 true');
  t.equal(to('DNAT --to-destination fd00::2-fd00::9', six), 'fd00::2 80 true');
  t.equal(to('DNAT --to-destination [fd00::2]:8080', six), 'fd00::2 8080 true');
  for (const text of ['DNAT', 'DNAT --to-destination nowhere', 'DNAT --to-destination 1:2:3:4']) {
    t.equal(effect(text).kind, text === 'DNAT' ? 'translate' : 'unknown', text);
  }
});

t.test('to the host itself', async (t) => {
  const answers = new Answers();
  answers.give({ kind: 'interface-address', family: 4, interface: 'eth0' }, ip('192.0.2.7'));
  const redirected = effect('REDIRECT --to-ports 8080', tracked(packet()), answers);
  t.match(redirected, { packet: { destination: '192.0.2.7', destinationPort: 8080 } });
  const range = effect('REDIRECT --to-ports 8080-8090', tracked(packet()), answers);
  t.match(range, { packet: { destinationPort: 8080 } });
  const same = effect('REDIRECT', tracked(packet()), answers);
  t.match(same, { packet: { destination: '192.0.2.7', destinationPort: 80 } });
  t.match(effect('REDIRECT', tracked(made())), { packet: { destination: '127.0.0.1' } });
  const { inInterface: _, ...six } = packet6();
  t.match(effect('REDIRECT', tracked(six)), { packet: { destination: '::1' } });
  answers.give({ kind: 'interface-address', family: 4, interface: 'eth9' }, undefined);
  const bare = tracked(packet({ inInterface: 'eth9' }));
  t.strictSame(effect('REDIRECT', bare, answers), { kind: 'drop', how: 'drop' });
});

t.test('new sources', async (t) => {
  const of = { ...tracked(packet()), outInterface: 'eth1' };
  t.match(after('SNAT --to-source 192.0.2.5', of), {
    source: '192.0.2.5',
    flow: { sourceTranslated: true },
  });
  t.match(after('SNAT --to-source :1024-65535', of), {
    source: of.source,
    flow: { sourceTranslated: false },
  });
  t.match(effect('SNAT --to-source nowhere', of), { kind: 'unknown' });
  const answers = new Answers();
  const toward = { kind: 'interface-address', family: 4, toward: of.destination } as const;
  answers.give({ ...toward, interface: 'eth1' }, ip('192.0.2.7'));
  t.match(effect('MASQUERADE', of, answers), { packet: { source: '192.0.2.7' } });
  answers.give({ ...toward, interface: '' }, undefined);
  t.match(effect('MASQUERADE', tracked(packet()), answers), { kind: 'drop' });
});

t.test('which packets begin a flow', async (t) => {
  const { SYN, ACK, FIN, RST } = tcpFlags;
  const tcp = (flags: number) => beginsFlow(packet({ tcpFlags: flags }));
  t.strictSame([SYN, ACK, SYN | ACK, RST, FIN | ACK, 0].map(tcp), [
    ...[true, true, false, false, false, false],
  ]);
  const icmp = (type: number) => beginsFlow(packet({ protocol: 1, icmp: { type, code: 0 } }));
  t.strictSame([8, 0, 3].map(icmp), [true, false, false]);
  t.notOk(beginsFlow(packet({ protocol: 1 })));
  t.ok(beginsFlow(packet6({ protocol: 58, icmp: { type: 128, code: 0 } })));
  t.notOk(beginsFlow(packet6({ protocol: 58 })));
  t.ok(beginsFlow(packet({ protocol: 47 })));
});

t.test(
  'targets and matches named like a property of every JavaScript object are unknown',
  async (t) => {
    t.match(effect('constructor'), { kind: 'unknown', words: /target constructor is not known/ });
    for (const rule of ['-p constructor', '-m toString', 'constructor 1', '-m tcp valueOf 1']) {
      const read = { number: 1, text: rule, ...readRuleText(rule) };
      t.match(ruleMatches(read, packet(), new Answers()), { dependsOn: [/ holds$/] }, rule);
    }
  },
);
