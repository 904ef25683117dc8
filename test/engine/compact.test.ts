/** `tsbridge.port_rules=compact` as an engine asks for it: ports one by one, whatever was typed. */
import t from 'tap';
import { ADDRESSES, Lab, type Suite } from '../lab/lab.js';

/** The rules that lead to the container, in each chain. */
async function rulesTo(lab: Lab, address: string): Promise<string[]> {
  const lines = await lab.saveRules();
  // Not the drop of direct access, which is the endpoint's.
  return lines.filter((line) => line.includes(address) && line.includes('--dport'));
}

for (const [suite, count] of [
  ['bookworm', 3],
  ['forky', 2],
] as const satisfies readonly (readonly [Suite, number])[]) {
  t.test(suite, { timeout: 300_000 }, async (t) => {
    const lab = await Lab.create({ suite });
    t.teardown(() => lab.dispose());
    await lab.spawnTsbridge();
    const network = ['network', 'create', '-d', 'tsbridge', '--subnet', '10.5.0.0/24'];
    await lab.docker(...network, '-o', 'tsbridge.port_rules=compact', 'app');
    const before = await lab.snapshot();
    await lab.run({
      name: 'web',
      network: 'app',
      publish: ['8000-8099:8000-8099', '9000:9000/udp', '9001:80'],
      serve: ['tcp/80', 'tcp/8000', 'tcp/8050', 'tcp/8099', 'udp/9000'],
    });
    const rules = await rulesTo(lab, '10.5.0.2');
    t.equal(rules.length, 3 * count, rules.join('\n'));
    t.equal(rules.filter((line) => line.includes('--dport 8000:8099')).length, count);
    for (const port of [8000, 8050, 8099, 9001]) {
      t.match(await lab.ask('lan', ADDRESSES.host, port), { name: 'web', peer: ADDRESSES.lan });
      t.match(await lab.ask('host', '127.0.0.1', port), { name: 'web' }, 'by the proxy');
    }
    t.match(await lab.ask('lan', ADDRESSES.host, 9000, { proto: 'udp' }), { name: 'web' });
    await t.rejects(lab.ask('lan', ADDRESSES.host, 8100), /ECONNREFUSED/);

    await t.rejects(
      lab.run({ name: 'other', network: 'app', publish: ['7000-7009:80-89'] }),
      /host ports 7000-7009 for container ports 80-89\/tcp: .*neighbouring port/,
    );
    await t.rejects(
      lab.run({ name: 'third', network: 'app', publish: ['7000-7009:80'] }),
      /host ports 7000-7009 for container port 80\/tcp: one of them would be chosen/,
    );
    t.same(await rulesTo(lab, '10.5.0.2'), rules, 'the first container is as it was');

    await lab.docker('restart', '-t', '0', 'web');
    await lab.listening('web');
    t.same((await rulesTo(lab, '10.5.0.2')).sort(), rules.sort());
    t.match(await lab.ask('lan', ADDRESSES.host, 8050), { name: 'web' });
    await lab.docker('rm', '-f', 'web', 'other', 'third');
    t.strictSame(await lab.leftovers(before), []);
  });
}
