/**
 * firewalld: bridges are in the engine's zone, and everything is back after a reload and a restart.
 */
import t from 'tap';
import { LabFirewalld } from '../lab/firewalld.js';
import { SKIP_BUILT_IN } from '../lab/fixture.js';
import { hostState } from '../lab/host-state.js';
import { ADDRESSES, Lab } from '../lab/lab.js';
import { until } from '../lab/process.js';

t.test(
  "bridges stay in firewalld's zone over its reload and restart",
  { skip: SKIP_BUILT_IN },
  async (t) => {
    const lab = await Lab.create({ suite: 'bookworm-firewalld', dockerd: false });
    t.teardown(() => lab.dispose());
    const firewalld = await LabFirewalld.start(lab);
    await lab.startDockerd();
    const daemon = await lab.spawnTsbridge();
    const named = (name: string) => ['-o', `com.docker.network.bridge.name=${name}`, name];
    await lab.docker('network', 'create', '-d', 'tsbridge', ...named('br-app'));
    await lab.docker('network', 'create', '-d', 'tsbridge', '--internal', ...named('br-two'));
    t.strictSame(await firewalld.interfaces('docker'), ['br-app', 'docker0']);
    await lab.run({ name: 'web', network: 'br-app', publish: ['8080:80'], serve: ['tcp/80'] });
    await lab.serve('lan', 'tcp/9000');
    const reach = async (when: string) => {
      t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, `into it ${when}`);
      // Rejected by firewalld itself if the bridge is in no zone.
      t.match(await lab.askIn('web', ADDRESSES.world, 9000), { name: 'lab' }, `out of it ${when}`);
    };
    await reach('at first');
    const wanted = (await hostState(lab, /br-app|br-two/, [])).ours;

    for (const [name, harm] of [
      ['a reload', () => firewalld.reload()],
      ['a restart', () => firewalld.restart()],
    ] as const) {
      await harm();
      let found = {};
      await until(
        `everything to be back after ${name}`,
        async () => {
          found = (await hostState(lab, /br-app|br-two/, [])).ours;
          const zone = await firewalld.interfaces('docker');
          return (
            // The engine puts docker0 back by itself.
            (JSON.stringify(found) === JSON.stringify(wanted) &&
              ['br-app', 'docker0'].every((each) => zone.includes(each))) ||
            undefined
          );
        },
        30_000,
      ).catch(() => {});
      t.strictSame(found, wanted, `rules after ${name}`);
      t.strictSame(await firewalld.interfaces('docker'), ['br-app', 'docker0']);
      await reach(`after ${name}`);
    }
    const repairs = daemon.logs.filter(({ msg }) => msg?.startsWith('repaired '));
    t.ok(
      repairs.some(({ author }) => String(author).includes('firewalld (process ')),
      'who it was',
    );
    t.match(repairs.at(-1), { msg: String });

    await lab.docker('rm', '-f', 'web');
    await lab.docker('network', 'rm', 'br-app', 'br-two');
    t.strictSame(await firewalld.interfaces('docker'), ['docker0']);
    if (!t.passing()) lab.printLogs();
  },
);
