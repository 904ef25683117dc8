/** From where a published port is reached, as `tsbridge ports --reach` says, on a small host. */
import { join } from 'node:path';
import type { PortItem } from '../../src/cli/schemas/inventory.js';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { dispatch } = await import('../../src/cli/dispatch.js');
const { commands, DoctorHost } = await import('../doctor/host.js');
const { itemOf } = await import('../process/documents.js');

const host = await DoctorHost.make();
t.teardown(() => host.close());

async function ports(...args: string[]) {
  const said = { out: '', err: '' };
  // No daemon runs in that folder, so that the records are read.
  const where = [`--runtime-dir=${join(host.folder, 'none')}`, `--state-dir=${host.state}`];
  const code = await dispatch(['ports', '--no-names', '--no-listen', ...args, ...where], {
    environment: {},
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
  });
  return { code, ...said };
}
const reach = async () => itemOf<PortItem>((await ports('--reach', '--json')).out).reach;

t.test('by rules from outside, and by the proxy from the host itself', async (t) => {
  t.match(await reach(), {
    ...{ elsewhere: 'rules', lan: 'rules', host: 'proxy', otherNetworks: 'rules' },
    because: [],
  });
  const { out } = await ports('--reach');
  t.match(out, /REACHABLE FROM/);
  t.match(out, /elsewhere, lan, host, networks/);
  const plain = await ports();
  t.notMatch(plain.out, /REACHABLE/, 'nobody asked for it');
  t.equal(itemOf<PortItem>((await ports('--json')).out).reach, null);
});

t.test('a rule of the administrator leaves the neighbours', async (t) => {
  commands('iptables -I DOCKER-USER -i eth0 ! -s 192.0.2.0/24 -j DROP');
  const found = await reach();
  t.match(found, { elsewhere: 'no', lan: 'rules', host: 'proxy', otherNetworks: 'rules' });
  t.match(found?.because, [{ from: 'elsewhere', words: /DROPPED .* DOCKER-USER .*administrator/ }]);
  t.match((await ports('--reach')).out, / lan, host, networks/);
  commands('iptables -R DOCKER-USER 1 -j DROP');
  t.match(await reach(), { elsewhere: 'no', lan: 'no', host: 'proxy', otherNetworks: 'no' });
  commands('iptables -I INPUT -i lo -j DROP');
  t.match((await ports('--reach')).out, / nowhere/);
  commands('iptables -F DOCKER-USER', 'iptables -F INPUT');
});

t.test('what cannot be known is no yes', async (t) => {
  commands('iptables -I DOCKER-USER -i eth0 -m limit --limit 5/min -j DROP');
  t.match(await reach(), { elsewhere: 'depends', lan: 'depends', otherNetworks: 'rules' });
  t.match((await ports('--reach')).out, /elsewhere\?, lan\?, host, networks/);
  commands('iptables -F DOCKER-USER');
  const chain = 'chain f { type filter hook forward priority 0; limit rate 5/minute drop; }';
  run('nft', ['-f', '-'], `table inet my { ${chain}; }`);
  t.match(await reach(), { elsewhere: 'depends', lan: 'depends', host: 'proxy' });
  commands('nft delete table inet my');
});

t.test('a native chain keeps out what iptables lets through', async (t) => {
  const chain =
    'chain f { type filter hook forward priority 0; policy drop; iifname != "eth0" accept; }';
  run('nft', ['-f', '-'], `table inet my { ${chain}; }`);
  const found = await reach();
  t.match(found, { elsewhere: 'no', lan: 'no', host: 'proxy', otherNetworks: 'rules' });
  t.equal(
    found?.because[0]?.words,
    'DROPPED in FORWARD by the policy of chain f, table inet my (nft).',
  );
  commands('nft delete table inet my');
});

t.test('without a default route nobody is elsewhere', async (t) => {
  commands('ip route del default');
  const found = await reach();
  t.match(found, { elsewhere: 'unknown', lan: 'unknown', host: 'proxy', otherNetworks: 'rules' });
  commands('ip route add default via 192.0.2.254');
});
