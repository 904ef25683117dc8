/** Churn and soak, for a short time: `npm run churn` and `npm run soak` go on for longer. */
import t from 'tap';
import { after, churn } from '../churn/churn.js';
import { hostFaults } from '../churn/faults.js';
import { Model } from '../churn/model.js';
import { adopt } from '../churn/operations.js';
import { deviations, leftAfter } from '../churn/quiet.js';
import { soak } from '../churn/soak.js';
import { SKIP_BUILT_IN, SUITE } from '../lab/fixture.js';
import { Lab } from '../lab/lab.js';

/** With it every container is asked for at once in the second burst. */
const seed = 8;

t.test('64 containers at once, against a model', { skip: SKIP_BUILT_IN }, async (t) => {
  const lab = await Lab.create({ suite: SUITE });
  t.teardown(() => lab.dispose());
  await lab.spawnTsbridge();
  const before = await lab.snapshot();
  const counts = await churn(lab, { containers: 64, networks: 8, seed, isOver: after(0.5) });
  t.comment(JSON.stringify(counts));
  t.strictSame(counts.refused, {}, 'whatever was asked for was done');
  t.ok(counts.largestBurst >= 64, `${counts.largestBurst} operations at once`);
  t.strictSame(await leftAfter(lab, before), [], 'nothing is left');
});

t.test(
  'the check of churn finds each deviation that is planted',
  { skip: SKIP_BUILT_IN },
  async (t) => {
    const lab = await Lab.create({ suite: SUITE });
    t.teardown(() => lab.dispose());
    await lab.spawnTsbridge();
    const bridge = ['-o', 'com.docker.network.bridge.name=br-555555555555'];
    await lab.docker('network', 'create', '-d', 'tsbridge', ...bridge, 'churn-n0');
    const model = new Model({ containers: 1, networks: 1 });
    t.strictSame(await deviations(lab, model, 0), ['engine: left over churn-n0'], 'the model');
    await adopt(lab, model, []);
    t.strictSame(await deviations(lab, model), []);
    const wrongs: Readonly<Record<string, readonly [make: string, take: string, sign: RegExp]>> = {
      rule: [
        'iptables -A FORWARD -s 172.18.0.9 -j ACCEPT',
        'iptables -D FORWARD -s 172.18.0.9 -j ACCEPT',
        /^rules: left over 4 filter FORWARD -s 172\.18\.0\.9\/32 -j ACCEPT$/,
      ],
      link: [
        'ip link add veth0 type veth peer name veth1',
        'ip link del veth0',
        /^links: left over veth0 down -$/,
      ],
      neighbour: [
        'ip neigh add proxy 172.18.0.9 dev eth0',
        'ip neigh del proxy 172.18.0.9 dev eth0',
        /^neighbours: left over 172\.18\.0\.9 on eth0$/,
      ],
      record: [
        'mv /var/lib/tsbridge/networks /var/lib/tsbridge/x; mkdir /var/lib/tsbridge/networks',
        'rmdir /var/lib/tsbridge/networks; mv /var/lib/tsbridge/x /var/lib/tsbridge/networks',
        /^records: missing network [0-9a-f]{64} ready$/,
      ],
      flow: [
        'conntrack -I -p udp -s 172.18.0.9 -d 192.0.2.2 --sport 9 --dport 9 --timeout 60',
        'conntrack -D -s 172.18.0.9',
        /^flow of nobody: udp .*src=172\.18\.0\.9/,
      ],
    };
    for (const [what, [make, take, sign]] of Object.entries(wrongs)) {
      await lab.hostNs('sh', '-ec', make);
      const found = await deviations(lab, model, 0);
      t.ok(
        found.some((line) => sign.test(line)),
        `a ${what}: ${found}`,
      );
      await lab.hostNs('sh', '-ec', take);
      t.strictSame(await deviations(lab, model), [], `without the ${what}`);
    }
    if (!t.passing()) lab.printLogs();
  },
);

// With an engine that dies it would take minutes: `npm run soak` has that, too.
const ofLegacy = ['iptables -F', 'proxy killed', 'tsbridge killed'];
const ofNft = [...ofLegacy, 'nft flush ruleset', 'the map of ports is gone'];
for (const [iptables, names, portRules] of [
  ['nft', ofNft, 'both'],
  ['legacy', ofLegacy, 'docker'],
] as const) {
  const title = `churn ends with the same host under ${names.length} kinds of faults, iptables-${iptables}`;
  t.test(title, { skip: SKIP_BUILT_IN }, async (t) => {
    const lab = await Lab.create({ suite: SUITE, liveRestore: true, iptables });
    t.teardown(() => lab.dispose());
    const faults = hostFaults
      .filter(({ name }) => names.includes(name))
      .map((fault) => ({ ...fault, weight: 1 }));
    const sizes = { containers: 8, networks: 4, portRules, leastFaults: names.length };
    const summary = await soak(lab, { ...sizes, seed, faults, isOver: () => true });
    t.comment(JSON.stringify(summary));
    t.equal(summary.failure, undefined);
    t.strictSame(summary.grown, []);
    t.strictSame(summary.left, []);
    t.strictSame(Object.keys(summary.faults).sort(), [...names, 'nothing'].sort());
    for (const name of ['nothing', 'iptables -F', 'tsbridge killed']) {
      t.equal(summary.faults[name]?.dnatBroken, 0, `${name}: every connection survives`);
    }
    t.equal(summary.dnat.open, 8, 'all are open again');
    t.equal(summary.proxy.open, 8);
    if (!t.passing()) lab.printLogs();
  });
}
