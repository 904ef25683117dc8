/** Counters of rules that drop, as this kernel and iptables have them. */
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { DroppedPackets } = await import('../../src/host/nf-tables/dropped-packets.js');

const own = new Set(['br-1', 'br-2']);

/** Rules with the counts that iptables-restore gives them. */
function restore(...tables: readonly string[]): void {
  run('iptables-nft-restore', ['--counters', '--noflush'], `${tables.join('\n')}\n`);
}

const read = async (dropped: InstanceType<typeof DroppedPackets>) =>
  Object.fromEntries([...(await dropped.read([4, 6]))].filter(([, packets]) => packets > 0));

t.test('summed by reason; only of our networks, only what drops', async (t) => {
  const dropped = new DroppedPackets((name) => own.has(name));
  t.strictSame(await read(dropped), {}, 'no table is there');
  restore(
    '*filter',
    ':DOCKER - [0:0]',
    ':DOCKER-ISOLATION-STAGE-1 - [0:0]',
    ':DOCKER-ISOLATION-STAGE-2 - [0:0]',
    '[9:900] -A FORWARD -i br-1 -o br-1 -j DROP',
    '[100:900] -A FORWARD -i eth0 -j DROP',
    '[5:500] -A DOCKER -d 10.0.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 80 -j ACCEPT',
    '[7:700] -A DOCKER ! -i br-1 -o br-1 -j DROP',
    '[70:700] -A DOCKER ! -i docker0 -o docker0 -j DROP',
    '[1:60] -A DOCKER-ISOLATION-STAGE-1 ! -s 10.0.0.0/24 -o br-2 -j DROP',
    '[2:60] -A DOCKER-ISOLATION-STAGE-1 ! -d 10.0.0.0/24 -i br-2 -j DROP',
    '[3:60] -A DOCKER-ISOLATION-STAGE-2 -o br-1 -j DROP',
    'COMMIT',
    '*raw',
    '[4:60] -A PREROUTING -d 10.0.0.2/32 ! -i br-1 -j DROP',
    '[40:60] -A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 80 -j DROP',
    'COMMIT',
    '*mangle',
    ':TSBRIDGE-PUBLISH-DROP - [0:0]',
    ':TSBRIDGE-PROXY-DROP - [0:0]',
    ':TSBRIDGE-EGRESS-DROP - [0:0]',
    '[6:60] -A TSBRIDGE-PUBLISH-DROP -d 10.0.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 80 -j DROP',
    '[2:60] -A TSBRIDGE-PROXY-DROP ! -i br-1 -p tcp -m tcp --dport 8080 -j DROP',
    '[5:60] -A TSBRIDGE-EGRESS-DROP -i br-1 ! -d 10.0.0.0/24 -j DROP',
    'COMMIT',
  );
  // ip6tables-nft-restore takes no counts.
  run('ip6tables-nft', ['-N', 'DOCKER']);
  const counted = 'iifname != "br-1" oifname "br-1" counter packets 1000 bytes 1 drop';
  run('nft', ['-f', '-'], `add rule ip6 filter DOCKER ${counted}\n`);
  const before = {
    ...{ unpublished: 1_007, isolation: 3, internal: 3 },
    ...{ icc: 9, 'direct-access': 4, 'publish-from': 8, 'egress-allow': 5 },
  };
  t.strictSame(await read(dropped), before);
  t.strictSame(await read(dropped), before, 'read again, nothing is added');

  // A repair makes the rule anew, and it begins to count anew.
  run('iptables-nft', ['-D', 'DOCKER', '!', '-i', 'br-1', '-o', 'br-1', '-j', 'DROP']);
  t.strictSame(await read(dropped), before, 'what a rule had counted stays');
  restore('*filter', '[2:200] -A DOCKER ! -i br-1 -o br-1 -j DROP', 'COMMIT');
  t.strictSame(await read(dropped), { ...before, unpublished: 1_009 });
  t.strictSame([...(await dropped.read([4]))].length, 7, 'every reason has a series');
});
