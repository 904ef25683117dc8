/**
 * `tsbridge.port_rules=map` with the oldest and the newest engine: real connections from everywhere, beside networks of
 * both drivers, over the deaths of the daemon and of the engine.
 */
import { labTest, SKIP_BUILT_IN, type Test } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { NODE, until } from '../lab/process.js';
import { SUITES } from '../lab/suites.js';

const create = ['network', 'create', '-d', 'tsbridge'];
const udp = { proto: 'udp' } as const;

/** The elements of the map, as nft lists them. */
async function elements(lab: Lab): Promise<string[]> {
  const text = await lab.hostNs('nft', 'list', 'map', 'ip', 'tsbridge', 'ports');
  const [, list = ''] = /elements = \{([^}]*)\}/s.exec(text) ?? [];
  return list.split(',').flatMap((each) => each.trim() || []);
}

/** Every way to the published ports. */
async function reach(t: Test, lab: Lab, when: string): Promise<void> {
  const web = { name: 'web' };
  t.match(
    await lab.ask('lan', ADDRESSES.host, 8080),
    { ...web, peer: ADDRESSES.lan },
    `tcp ${when}`,
  );
  t.match(
    await lab.ask('lan', ADDRESSES.host, 5353, udp),
    { ...web, peer: ADDRESSES.lan },
    `udp ${when}`,
  );
  t.match(await lab.ask('host', '127.0.0.1', 8080), web, `127.0.0.1 ${when}`);
  t.match(await lab.ask('host', ADDRESSES.host, 5353, udp), web, `the host ${when}`);
  t.match(await lab.askIn('web', ADDRESSES.host, 8080), web, `itself ${when}`);
  t.match(await lab.askIn('ruled', ADDRESSES.host, 8080), web, `a network with rules ${when}`);
  t.match(await lab.askIn('built-in', ADDRESSES.host, 8080), web, `a built-in network ${when}`);
  t.match(await lab.ask('lan', ADDRESSES.host, 7070), { name: 'ruled' }, `rules beside ${when}`);
}

/** Of flows to the mapped ports, DOCKER-USER meets each packet that is forwarded, in both directions. */
async function countEach(t: Test, lab: Lab): Promise<void> {
  const matches = ['tcp', 'udp'].flatMap((protocol) =>
    ['-d', '-s'].map((side) => [side, '10.5.0.2', '-p', protocol]),
  );
  // Chain FORWARD of table mangle is asked before that of table filter. A rule without a target counts and goes on.
  const places = [
    ['mangle', 'FORWARD'],
    ['filter', 'DOCKER-USER'],
  ] as const;
  const each = async (op: string): Promise<void> => {
    for (const [table, chain] of places) {
      for (const match of matches) await lab.hostNs('iptables', '-t', table, op, chain, ...match);
    }
  };
  await each('-I');
  for (const proto of ['tcp', 'udp', 'udp'] as const) {
    await lab.ask('lan', ADDRESSES.host, proto === 'tcp' ? 8080 : 5353, { proto });
  }
  const counts = await until('both chains to have counted', async () => {
    const [forwarded = [], met] = await Promise.all(
      places.map(async ([table, chain]) => {
        const listed = await lab.hostNs('iptables', '-t', table, '-nvxL', chain);
        return listed.split('\n').flatMap((line) => /^ *(\d+) .*10\.5\.0\.2/.exec(line)?.[1] ?? []);
      }),
    );
    return forwarded.join() === met?.join() ? forwarded.map(Number) : undefined;
  });
  t.equal(counts.length, matches.length);
  t.ok(
    counts.every((count) => count >= 2),
    `DOCKER-USER has met all packets: ${counts}`,
  );
  await each('-D');
}

/** The command line, on the host of the lab. */
function tsbridge(lab: Lab, ...args: string[]): Promise<string> {
  const script = '"$@" 2>&1; echo "exit $?"';
  const command = [...NODE, '/opt/tsbridge/dist/main.js', ...args];
  return lab.exec(['sh', '-c', script, 'sh', ...command]);
}

for (const version of ['20.10', '28.5'] as const) {
  const options = { skip: SKIP_BUILT_IN, suite: SUITES[version] } as const;
  labTest(`a network with a map, on ${version}`, options, async (t, lab) => {
    await lab.docker(...create, '--subnet', '10.5.0.0/24', '-o', 'tsbridge.port_rules=map', 'app');
    await lab.docker(...create, '--subnet', '10.6.0.0/24', 'rules');
    await lab.docker('network', 'create', '--subnet', '10.7.0.0/24', 'plain');
    // Without SCTP in the kernel no socket can hold such a port, and it is refused.
    const sctp = /^SCTP/m.test(await lab.hostNs('cat', '/proc/net/protocols'));
    await lab.run({
      name: 'web',
      network: 'app',
      publish: ['8080:80', '5353:53/udp', ...(sctp ? ['9999:99/sctp'] : [])],
      serve: ['tcp/80', 'tcp/9229', 'udp/53'],
    });
    await lab.run({ name: 'ruled', network: 'rules', publish: ['7070:80'], serve: ['tcp/80'] });
    await lab.run({ name: 'built-in', network: 'plain' });
    const published = await elements(lab);
    t.ok(published.includes('0.0.0.0 . tcp . 8080 : 10.5.0.2 . 80'), published.join(', '));
    t.equal(published.includes('0.0.0.0 . sctp . 9999 : 10.5.0.2 . 99'), sctp);
    const rules = (await lab.saveRules()).filter((line) => line.includes('10.5.0.2'));
    t.notMatch(rules.join('\n'), /--dport/, 'no rule for a port');
    await reach(t, lab, 'when published');

    await countEach(t, lab);

    // What an administrator appends is met by every packet, after its translation.
    const drop = ['DOCKER-USER', '-d', '10.5.0.2', '-p', 'tcp', '--dport', '80', '-j', 'DROP'];
    await lab.hostNs('iptables', '-I', ...drop);
    await t.rejects(lab.ask('lan', ADDRESSES.host, 8080, { timeoutMs: 500 }), 'DOCKER-USER drops');
    t.match(await lab.hostNs('iptables', '-nvxL', 'DOCKER-USER'), /^ +[1-9]\d* +\d+ DROP/m);
    await lab.hostNs('iptables', '-D', ...drop);

    t.match(await tsbridge(lab, 'publish', 'web', '9000:9229'), /^published .*exit 0/s);
    t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'web' }, 'published meanwhile');
    t.ok((await elements(lab)).includes('0.0.0.0 . tcp . 9000 : 10.5.0.2 . 9229'));
    t.match(await tsbridge(lab, 'unpublish', 'web', '9000:9229'), /^unpublished .*exit 0/s);
    await t.rejects(lab.ask('lan', ADDRESSES.host, 9000), /ECONNREFUSED/);
    t.same((await elements(lab)).sort(), [...published].sort());

    await lab.killTsbridge('SIGKILL');
    await reach(t, lab, 'while the daemon is down');
    const table = await lab.hostNs('nft', '-a', 'list', 'table', 'ip', 'tsbridge');
    await lab.spawnTsbridge();
    t.equal(await lab.hostNs('nft', '-a', 'list', 'table', 'ip', 'tsbridge'), table, 'untouched');
    t.match(await tsbridge(lab, 'reconcile', '--dry-run'), /as it should be.*exit 0/s);

    await lab.restartDockerd();
    t.same(await elements(lab), [], 'the engine has stopped its containers');
    await lab.docker('start', 'web', 'ruled', 'built-in');
    await lab.listening('web');
    await lab.listening('ruled');
    await until('the built-in network to be spared', async () => {
      const set = await lab.hostNs('nft', 'list', 'set', 'ip', 'tsbridge', 'bridges');
      return /("br-[0-9a-f]{12}".*){3}/s.test(set) || undefined;
    });
    await reach(t, lab, 'after a restart of the engine');

    await lab.docker('rm', '-f', 'web', 'ruled', 'built-in');
    t.same(await elements(lab), []);
    await lab.docker('network', 'rm', 'app', 'rules', 'plain');
    t.notMatch(await lab.hostNs('nft', 'list', 'tables'), /tsbridge/, 'no table is left');
  });
}

const legacy = { skip: SKIP_BUILT_IN, iptables: 'legacy' } as const;
labTest('a host with iptables-legacy', legacy, async (t, lab) => {
  const words = /tsbridge\.port_rules=map: this host uses iptables-legacy.*leave the option out/;
  await t.rejects(lab.docker(...create, '-o', 'tsbridge.port_rules=map', 'app'), words);
  t.equal(await lab.docker('network', 'ls', '-q', '--filter', 'driver=tsbridge'), '');
});
