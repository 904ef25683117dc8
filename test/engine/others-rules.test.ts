/** What an administrator or an old dump puts beside our rules, on a host with a real engine. */
import { setTimeout as sleep } from 'node:timers/promises';
import { IMAGE } from '../lab/engine.js';
import { labTest, SKIP_BUILT_IN, SUITE, type Test } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { until } from '../lab/process.js';

/** Longer than a repair waits for others to finish. */
const repairedMs = 1_200;
const named = (bridge: string) => ['-o', `com.docker.network.bridge.name=${bridge}`];
const create = ['network', 'create', '-d', 'tsbridge'];

async function userChain(lab: Lab): Promise<string[]> {
  return (await lab.saveRules()).filter((line) => line.startsWith('-A DOCKER-USER'));
}

const drop = '-A DOCKER-USER -i eth0 -p tcp -j DROP';
/** Engines up to 27 end DOCKER-USER with it whenever a network is created, whatever its driver. */
const engineEnd = SUITE === 'forky' ? [] : ['-A DOCKER-USER -j RETURN'];

labTest(
  'a rule appended to DOCKER-USER a second after it was flushed takes effect',
  { skip: SKIP_BUILT_IN },
  async (t: Test, lab) => {
    await lab.docker(...create, ...named('br-app'), 'app');
    await lab.run({ name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
    t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' });
    await lab.hostNs('iptables', '-F', 'DOCKER-USER');
    await sleep(repairedMs);
    t.strictSame(await userChain(lab), [], 'the repair writes nothing there');
    await lab.hostNs('iptables', ...drop.split(' '));
    const refused = () => lab.ask('lan', ADDRESSES.host, 8080, { timeoutMs: 700 });
    await t.rejects(refused(), 'the rule is in force');
    await lab.run({ name: 'two', network: 'app', publish: ['8081:80'] });
    t.strictSame(await userChain(lab), [drop], 'a container writes nothing there');
    await lab.docker(...create, ...named('br-two'), 'two');
    t.strictSame(await userChain(lab), [drop, ...engineEnd], 'a network writes nothing above it');
    await t.rejects(refused(), 'the rule is still in force');

    await lab.hostNs('sh', '-ec', 'iptables -D FORWARD -j DOCKER-USER; iptables -F DOCKER-USER');
    await lab.hostNs(
      'sh',
      '-ec',
      'while iptables -D FORWARD -j DOCKER-USER; do :; done 2>/dev/null; iptables -X DOCKER-USER',
    );
    const jump = '-A FORWARD -j DOCKER-USER';
    await until(
      'the chain to be back',
      async () => (await lab.saveRules()).includes(jump) || undefined,
    );
    t.strictSame(await userChain(lab), [], 'made again, the chain is empty');
    await lab.hostNs('iptables', ...drop.split(' '));
    await t.rejects(refused(), 'what is appended to it is in force');

    await lab.docker('rm', '-f', 'web', 'two');
    await lab.docker('network', 'rm', 'app', 'two');
    await lab.hostNs('iptables', '-F', 'DOCKER-USER');
    if (SUITE !== 'forky') await lab.hostNs('iptables', '-A', 'DOCKER-USER', '-j', 'RETURN');
  },
);

/** POSTROUTING is no chain of Docker's, and what a container asks of itself leads nobody astray. */
const ofItself = /^-A POSTROUTING -s (\S+\/32) -d \1 /;
const removeOfItself = `iptables-save -t nat | sed -n 's/^-A \\(POSTROUTING -s [^ ]*.32 -d\\)/-D \\1/p' |
  while read -r rule; do iptables -t nat $rule; done
  iptables -t raw -F PREROUTING`;

labTest(
  'a dump with an old translation is restored: the port leads to the right container again',
  { skip: SKIP_BUILT_IN },
  async (t: Test, lab) => {
    await lab.docker(...create, ...named('br-app'), 'app');
    await lab.docker('run', '--name', 'first', '-d', '-p', '7070:80', IMAGE);
    await lab.run({ name: 'old', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
    await lab.hostNs('sh', '-ec', 'iptables-save > /tmp/old');
    await lab.docker('rm', '-f', 'old');
    // It gets the address that 8080 led to.
    await lab.run({ name: 'other', network: 'app', serve: ['tcp/80'] });
    await lab.run({ name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
    const right = await lab.saveRules();
    for (const flags of ['', '--noflush']) {
      await lab.hostNs('sh', '-ec', `iptables-restore ${flags} < /tmp/old`);
      const stale = /172\.\d+\.0\.2:80$/;
      await until('the old translation to be gone', async () => {
        const rules = await lab.saveRules();
        const ours = rules.filter((line) => line.includes('--dport 8080'));
        return (ours.length === 1 && !stale.test(ours.join())) || undefined;
      });
      t.match(
        await lab.ask('lan', ADDRESSES.host, 8080),
        { name: 'web' },
        `${flags}: from outside`,
      );
      t.match(await lab.ask('host', ADDRESSES.host, 8080), { name: 'web' }, `${flags}: the host`);
      const sorted = (rules: readonly string[]) =>
        [...new Set(rules.filter((line) => !ofItself.test(line)))].sort();
      t.strictSame(sorted(await lab.saveRules()), sorted(right), `${flags}: nothing else is gone`);
    }
    await lab.docker('rm', '-f', 'first', 'other', 'web');
    await lab.docker('network', 'rm', 'app');
    await lab.restartDockerd();
    await lab.hostNs('sh', '-ec', removeOfItself);
  },
);
