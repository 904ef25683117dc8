/** `doctor`, `drops` and `ports --reach` beside real engines, whatever runs. */
import type { ConnectionItem } from '../../src/cli/schemas/connectivity.js';
import type { DoctorItem } from '../../src/cli/schemas/doctor.js';
import type { DropItem } from '../../src/cli/schemas/drops.js';
import type { PortItem } from '../../src/cli/schemas/inventory.js';
import { tsbridge } from '../lab/command-line.js';
import { DRIVER, labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { SUITES } from '../lab/suites.js';
import { documentOf, itemsOf } from '../process/documents.js';

/** What the machine is like, and no fault of networks: where the lab keeps its state, and how full that is. */
const ofTheLab = ['state-in-memory', 'disk-nearly-full', 'disk-full'];

const nobody = { code: 'nobody-listens', severity: 'notice' };

/** Codes of causes, and what could not be looked at. */
async function wrong(lab: Lab) {
  const args = ofTheLab.map((code) => `--skip=${code}`);
  const { out, err } = await tsbridge(lab, 'doctor', '--json', ...args);
  if (out === '') throw new Error(err);
  const document = documentOf(out);
  const causes = (document.items as readonly DoctorItem[]).filter(
    ({ followsFrom, severity }) => followsFrom === null && severity !== 'notice',
  );
  const { notDone } = document.checks as { notDone: readonly { code: string }[] };
  return {
    causes: causes.map(({ code, evidence }) => `${code}: ${evidence}`),
    notDone: notDone.map(({ code }) => code),
  };
}

for (const version of ['20.10', '28.5'] as const) {
  const options = { suite: SUITES[version], skip: SKIP_BUILT_IN, liveRestore: true } as const;
  labTest(`what is wrong, whatever runs, on ${version}`, options, async (t, lab) => {
    await lab.docker('network', 'create', '-d', DRIVER, 'shop');
    await lab.docker('network', 'create', '-d', DRIVER, 'data');
    await lab.docker('network', 'create', '-d', DRIVER, '--internal', 'inside');
    await lab.run({ name: 'web', network: 'shop', publish: ['8080:80'], serve: ['tcp/80'] });
    await lab.run({ name: 'store', network: 'data' });

    t.strictSame(await wrong(lab), { causes: [], notDone: [] }, 'nothing');
    t.match((await tsbridge(lab, 'doctor')).out, /\d\d checks: 0 errors, 0 warnings/);

    await lab.run({ name: 'mute', network: 'shop', publish: ['8082:81'] });
    const unheard = await tsbridge(lab, 'doctor', 'nobody-listens', 'listens-elsewhere', '--json');
    t.equal(unheard.code, 0, 'it may be starting');
    t.match(itemsOf<DoctorItem>(unheard.out), [
      { ...nobody, evidence: /^nothing listens at port 81\/tcp of mute/ },
      nobody,
    ]);
    await lab.docker('rm', '-f', 'mute');

    const tested = await tsbridge(lab, 'connectivity-test', '--like', 'shop', '--json');
    const connections = itemsOf<ConnectionItem>(tested.out);
    t.strictSame(
      connections
        .filter(({ result }) => result === 'failed')
        .map(({ path, found, explanation }) => [path, found, explanation]),
      [],
      tested.err,
    );
    t.equal(tested.code, 0);
    t.ok(connections.length > 15, `${connections.length} connections`);

    const reach = async () => {
      const { out } = await tsbridge(lab, 'ports', '--reach', '--json');
      const [port] = itemsOf<PortItem>(out).filter(({ host }) => host.family === 4);
      return port?.reach;
    };
    t.match(await reach(), { elsewhere: 'rules', lan: 'rules', host: 'proxy' });
    const drop = ['DOCKER-USER', '-o', 'br-+', '-p', 'tcp', '-j', 'DROP'];
    await lab.hostNs('iptables', '-I', ...drop);
    t.match(await reach(), { elsewhere: 'no', lan: 'no', because: [{ words: /DOCKER-USER/ }, {}] });
    let isRead = false;
    const drops = tsbridge(lab, 'drops', '--for', '5', '--json').finally(() => {
      isRead = true;
    });
    // The command may begin to count later than one question is asked.
    while (!isRead) await lab.ask('lan', ADDRESSES.host, 8080).catch(() => undefined);
    t.match(itemsOf<DropItem>((await drops).out)[0], {
      chain: 'DOCKER-USER',
      owner: /DOCKER-USER/,
    });
    await lab.hostNs('iptables', '-D', ...drop);

    await lab.killDockerd();
    t.match((await wrong(lab)).causes, [/^engine-down/]);
    await lab.killTsbridge();
    t.match((await wrong(lab)).causes, [/^daemon-down/, /^engine-down/]);
    await lab.startDockerd();
    t.match((await wrong(lab)).causes, [/^daemon-down/]);
    await lab.hostNs('sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward');
    t.match((await wrong(lab)).causes, [/^daemon-down/, /^ip-forward-off/]);
    await lab.spawnTsbridge();
    t.match(await tsbridge(lab, 'status', '--wait', '--quiet'), { code: 0, out: '' });
    t.strictSame((await wrong(lab)).causes, []);

    await lab.docker('rm', '-f', 'web', 'store');
    await lab.docker('network', 'rm', 'shop', 'data', 'inside');
  });
}
