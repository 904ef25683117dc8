/** What a repair of rules does and leaves, on a host in memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { hostConcerns } from '../../../../src/driver/repair/concerns/all.js';
import {
  RuleConcern,
  repairRules,
  repairRulesRunning,
} from '../../../../src/driver/repair/concerns/rules.js';
import { SelfRepair } from '../../../../src/driver/repair/self-repair.js';
import { bridge } from '../../../fakes/one-container.js';
import { start } from '../../../fakes/published-port.js';

t.test('flows to UDP ports are forgotten when their rules have come back', async (t) => {
  const { host, world, driver, ids } = await start();
  const port = { IP: '', Port: 80, HostIP: '0.0.0.0', HostPort: 8080, HostPortEnd: 8080 };
  const repair = async (): Promise<string[]> => {
    host.conntrack.removed.length = 0;
    host.firewall.flush();
    await repairRules(world, 'running');
    return host.conntrack.removed;
  };
  t.same(await repair(), [], 'there is none');
  const map = [6, 17].map((Proto) => ({ Proto, ...port }));
  await driver.publishPorts(ids, { 'com.docker.network.portmap': map });
  t.same(await repair(), ['udp4 8080 both ways']);
  host.conntrack.removed.length = 0;
  await repairRules(world, 'running');
  t.same(host.conntrack.removed, [], 'nothing was missing');
});

t.test('connections that began without their guards end with the repair', async (t) => {
  const { host, world } = await start({ 'tsbridge.publish_from': '192.0.2.0/24' });
  const flow = (source: string) => ({
    ...{ family: 4 as const, protocol: 6, source: source as never, sourcePort: 999 },
    ...{ destination: '192.0.2.1' as never, destinationPort: 8080 },
    ...{ replySource: '10.5.0.2' as never, replySourcePort: 80, replyDestination: source as never },
  });
  const [friend, stranger] = [flow('192.0.2.7'), flow('198.51.100.7')];
  host.refusedConnections.flows = [friend, stranger];
  await repairRules(world, 'running');
  t.same(host.refusedConnections.ended, [], 'nothing was missing');
  host.firewall.flush();
  await repairRules(world, 'dry-run');
  t.same(host.refusedConnections.ended, []);
  await repairRules(world, 'running');
  t.same(host.refusedConnections.ended, [stranger]);
  t.match(host.logged.at(-1), { fields: { connections: 1 } });
  host.firewall.flush();
  host.faults.plan('refused.end', 'the kernel does not answer');
  t.ok((await repairRules(world, 'running')).length > 0, 'the rules are there all the same');
  t.match(host.logged.at(-1), { level: 'warn', fields: { error: 'the kernel does not answer' } });
});

t.test('a chain is made only when it has been quiet', async (t) => {
  const { host, world } = await start();
  const before = host.firewall.dump();
  host.firewall.flush();
  await host.firewall.restore(4, '*nat\n-X DOCKER\nCOMMIT\n');
  const broken = host.firewall.dump();
  t.notOk('nat DOCKER' in broken);
  t.equal(await repairRulesRunning(world, false), 'too-early');
  t.strictSame(host.firewall.dump(), broken, 'an engine may be about to make it');
  t.ok((await repairRulesRunning(world, true)).includes('create-chain nat DOCKER'));
  t.strictSame(host.firewall.dump(), before);

  host.firewall.flush();
  t.not(await repairRulesRunning(world, false), 'too-early', 'rules alone do not wait');
  t.strictSame(host.firewall.dump(), before);
});

t.test('only the families that somebody has changed are read', async (t) => {
  const { host, world } = await start();
  const before = host.firewall.dump();
  host.firewall.flush();
  const broken = host.firewall.dump();
  const { reads } = host.firewall;
  t.same(await repairRulesRunning(world, true, [6]), []);
  const six = { families: new Set([6] as const), links: 'any' } as const;
  t.same(await new RuleConcern(world).repair('quiet', six), []);
  t.same(host.firewall.dump(), broken);
  t.equal(host.firewall.reads, reads, 'this host has IPv4 alone');
  const repairs = new SelfRepair(hostConcerns(world), world);
  t.teardown(() => repairs.stop());
  const repaired = async (times: number): Promise<void> => {
    const count = () => host.logged.filter(({ message }) => /^repaired rules/.test(message)).length;
    while (count() < times) await sleep(10);
  };
  repairs.start();
  await repaired(1);
  t.same(host.firewall.dump(), before, 'at a start, all of them');
  host.firewall.flush();
  repairs.noticed({ kind: 'rules', author: { program: 'nft', pid: 1 }, families: [] });
  t.equal(repairs.status().rules?.repairs.nft, undefined);
  repairs.noticed({ kind: 'rules', author: { program: 'iptables', pid: 2 }, families: [4] });
  await repaired(2);
  t.same(host.firewall.dump(), before);
  t.same(repairs.status().rules?.repairs, { unknown: 1, iptables: 1 });
});

t.test('rules that are there twice come right', async (t) => {
  const { host, world } = await start();
  const before = host.firewall.dump();
  const rule = `-i ${bridge} -o ${bridge} -j ACCEPT`;
  await host.firewall.restore(4, `*filter\n-A FORWARD ${rule}\n-A FORWARD -j MINE\nCOMMIT\n`);
  t.strictSame(await repairRules(world, 'running'), [
    `delete filter FORWARD ${rule}`,
    `delete filter FORWARD ${rule}`,
    `insert filter FORWARD ${rule}`,
  ]);
  const after = host.firewall.dump();
  t.equal(after['filter FORWARD']?.at(-1), '-j MINE');
  t.same(
    new Set(after['filter FORWARD']),
    new Set([...(before['filter FORWARD'] ?? []), '-j MINE']),
  );
  t.equal(after['filter FORWARD']?.length, (before['filter FORWARD']?.length ?? 0) + 1);
});

t.test('the policy of FORWARD comes back with the chains, and only then', async (t) => {
  const { host, world } = await start();
  t.equal(host.firewall.policy('FORWARD'), 'DROP');
  const accept = () => host.firewall.restore(4, '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n');
  await repairRules(world, 'running');
  host.firewall.flushRuleset();
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT');
  t.ok((await repairRules(world, 'running')).includes('policy filter FORWARD'));
  t.equal(host.firewall.policy('FORWARD'), 'DROP');
  await accept();
  t.strictSame(await repairRules(world, 'running'), []);
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT', "the administrator's will");
  host.firewall.flushRuleset();
  await repairRules(world, 'running');
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT', 'also later');
});

t.test('a policy set right after iptables -F is as good as one set a second later', async (t) => {
  const { host, world } = await start();
  await repairRules(world, 'running');
  host.firewall.flush();
  await host.firewall.restore(4, '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n');
  t.ok((await repairRules(world, 'running')).length > 0);
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT');
});

t.test('a repair does not run ahead of a call', async (t) => {
  const { host, world, driver, publish, ids } = await start();
  await driver.revokePorts(ids);
  const open = host.hostPorts.open.bind(host.hostPorts);
  let sawRule = false;
  let repaired: readonly string[] = [];
  host.hostPorts.open = async (...args) => {
    // Somebody flushes while it is not known yet whether the port can be had.
    host.firewall.flush();
    repaired = await repairRules(world, 'running');
    sawRule = host.firewall.rules('nat', 'DOCKER').some((rule) => rule.includes('8080'));
    return open(...args);
  };
  await publish();
  t.equal(sawRule, false, 'no rule for a port that may be another program’s');
  t.ok(repaired.length > 0);
  t.ok(host.firewall.rules('nat', 'DOCKER').some((rule) => rule.includes('8080')));
  t.strictSame(await repairRules(world, 'dry-run'), []);

  await driver.revokePorts(ids);
  host.hostPorts.open = open;
  let during: Promise<string[]> | undefined;
  const addPorts = world.rules.addPorts.bind(world.rules);
  world.rules.addPorts = (...args) => {
    during = repairRules(world, 'running');
    return addPorts(...args);
  };
  await publish();
  t.strictSame(await during, [], 'what the call was about to do is not told as a repair');
});

t.test('a call that makes the chains again brings the policy of FORWARD with it', async (t) => {
  const { host, world, publish } = await start();
  await repairRules(world, 'running');
  host.firewall.flushRuleset();
  host.firewall.failures.push('what it counts on is gone');
  await publish();
  t.equal(host.firewall.policy('FORWARD'), 'DROP', 'no repair has run');
});

t.test('a refused commit is a sign, even if no monitor has told of the change', async (t) => {
  const { host, world, publish } = await start();
  const rules = () => Object.values(host.firewall.dump()).flat().sort();
  const before = rules();
  let refusals = 0;
  world.rules.onRefusal(() => {
    refusals += 1;
  });
  await publish();
  t.equal(refusals, 0);
  host.firewall.flush();
  await publish();
  t.equal(refusals, 1);
  t.ok(rules().length < before.length, 'the call did its own part');
  await repairRules(world, 'running');
  t.strictSame(rules(), before);
});
