/** Routes of the host, as an engine's user asks for them, loses them and gets them back. */
import { labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { until } from '../lab/process.js';

const ours = async (lab: Lab): Promise<string[]> => {
  const shown = await lab.hostNs('ip', 'route', 'show', 'proto', '201');
  return shown
    .split('\n')
    .map((line) => line.trim().replace(/ linkdown/g, ''))
    .filter((line) => line !== '')
    .sort();
};

for (const suite of ['bookworm', 'forky'] as const)
  labTest(
    `routes inside of containers, ${suite}`,
    { suite, skip: SKIP_BUILT_IN },
    async (t, lab) => {
      const routesIn = async (name: string): Promise<string[]> => {
        const shown = await lab.exec(['ip', 'route'], await lab.container(name));
        return shown
          .trim()
          .split('\n')
          .map((line) => line.trim())
          .sort();
      };
      const create = (...args: string[]): Promise<string> =>
        lab.docker('network', 'create', '-d', 'tsbridge', '--subnet', '10.66.0.0/24', ...args);
      await t.rejects(create('-o', 'tsbridge.routes=10.9.0.0/24 via 10.67.0.9', 'app'), {
        message: /the next hop 10.67.0.9 is not in the network's subnet 10.66.0.0\/24/,
      });
      const routes = 'tsbridge.routes=10.9.0.0/24 via 10.66.0.9,10.8.0.0/24 dev';
      await create('-o', routes, '-o', 'tsbridge.default_route=false', 'app');
      await lab.run({ name: 'plain', network: 'app' });
      const local = '10.66.0.0/24 dev eth0 proto kernel scope link src 10.66.0.2';
      const plain = [
        local,
        '10.8.0.0/24 dev eth0 scope link',
        '10.9.0.0/24 via 10.66.0.9 dev eth0',
      ];
      t.strictSame(await routesIn('plain'), plain);
      const links = await lab.exec(['ip', '-brief', 'link'], await lab.container('plain'));
      t.notMatch(links, /eth1/, 'no second interface for a way out');
      const own =
        'tsbridge.default_route=true,driver-opt=tsbridge.routes=10.7.0.0/24 via 10.66.0.7';
      await lab.run({ name: 'own', network: `name=app,driver-opt=${own}` });
      t.strictSame(await routesIn('own'), [
        local.replace('10.66.0.2', '10.66.0.3'),
        '10.7.0.0/24 via 10.66.0.7 dev eth0',
        'default via 10.66.0.1 dev eth0',
      ]);
      await lab.docker('restart', 'plain');
      t.strictSame(await routesIn('plain'), plain, 'a container that starts again has them');
      const added =
        'tsbridge.gateways=10.66.0.254;10.66.0.253@70,driver-opt=tsbridge.routes=10.7.0.0/24 via 10.66.0.7 metric 50;' +
        '10.0.0.0/8 blackhole;10.6.0.0/24 unreachable metric 9';
      await lab.run({ name: 'metrics', network: `name=app,driver-opt=${added}` });
      const metrics = [
        local.replace('10.66.0.2', '10.66.0.4'),
        '10.7.0.0/24 via 10.66.0.7 dev eth0 proto 201 metric 50 onlink',
        'blackhole 10.0.0.0/8 proto 201',
        'default via 10.66.0.253 dev eth0 proto 201 metric 70 onlink',
        'default via 10.66.0.254 dev eth0',
        'unreachable 10.6.0.0/24 proto 201 metric 9',
      ];
      const complete = (what: string) =>
        until(what, async () => {
          const routes = await routesIn('metrics');
          return routes.length === metrics.length ? routes : undefined;
        });
      t.strictSame(await complete('routes that the daemon adds'), metrics);
      await lab.killTsbridge('SIGKILL');
      await lab.exec(['ip', 'route', 'flush', 'proto', '201'], await lab.container('metrics'));
      t.notSame(await routesIn('metrics'), metrics);
      await lab.spawnTsbridge();
      t.strictSame(await complete('a daemon that starts to put them right'), metrics);
      await lab.docker('restart', 'metrics');
      t.strictSame(await complete('those of a container that starts again'), metrics);
      // What leads to no interface would stay in a container that goes on.
      await lab.docker(
        'network',
        'create',
        '-d',
        'tsbridge',
        '--subnet',
        '192.168.67.0/24',
        'other',
      );
      await lab.docker('network', 'connect', 'other', 'metrics');
      await lab.docker('network', 'disconnect', 'app', 'metrics');
      const other = (await routesIn('metrics')).filter((line) => !line.includes('192.168.67.'));
      t.strictSame(other, [], 'none of them is left');
      await lab.docker('rm', '-f', 'plain', 'own', 'metrics');
      await lab.docker('network', 'rm', 'other');
      await lab.docker('network', 'rm', 'app');
    },
  );

for (const suite of ['bookworm', 'forky'] as const)
  labTest(
    `who may reach containers without a port, ${suite}`,
    { suite, skip: SKIP_BUILT_IN },
    async (t, lab) => {
      const web = '10.66.0.2';
      await lab.lanNs('ip', 'route', 'add', '10.66.0.0/24', 'via', ADDRESSES.host);
      const reaches = async (options: readonly string[]): Promise<boolean> => {
        const subnet = ['--subnet', '10.66.0.0/24'];
        await lab.docker('network', 'create', '-d', 'tsbridge', ...subnet, ...options, 'app');
        await lab.run({ name: 'web', network: 'app', serve: ['tcp/80'] });
        const answer = await lab.ask('lan', web, 80).then(
          () => true,
          () => false,
        );
        await lab.docker('rm', '-f', 'web');
        await lab.docker('network', 'rm', 'app');
        return answer;
      };
      t.notOk(await reaches([]), 'nobody does');
      t.ok(await reaches(['-o', `tsbridge.accept_from=${ADDRESSES.lan}/32`]), 'a host of the list');
      t.notOk(await reaches(['-o', 'tsbridge.accept_from=203.0.113.0/28']), 'none of another list');
      await lab.lanNs('ip', 'route', 'del', '10.66.0.0/24');
    },
  );

labTest('routes of a network and of a container', { skip: SKIP_BUILT_IN }, async (t, lab) => {
  const bridge = ['-o', 'com.docker.network.bridge.name=br-app'];
  const create = (...args: string[]): Promise<string> =>
    lab.docker(
      'network',
      'create',
      '-d',
      'tsbridge',
      ...bridge,
      '--subnet',
      '10.66.0.0/24',
      ...args,
    );
  await t.rejects(
    create('-o', 'tsbridge.remote_routes=10.77.0.1/24 via 10.66.0.9,10.77.0.0/24', 'app'),
    {
      message:
        /2 problems: \(1\) .*did you mean 10.77.0.0\/24\?.*\(2\) .*not a route: use CIDR via ADDRESS/s,
    },
    'everything that is wrong is said',
  );
  await t.rejects(
    create('-o', 'tsbridge.remote_routes=10.77.0.0/24 via 203.0.113.77', 'app'),
    { message: /adding the route to 10.77.0.0\/24 via 203.0.113.77/ },
    'a next hop that no interface leads to',
  );
  t.notOk((await lab.hostNs('ip', '-brief', 'link')).includes('br-app'), 'nothing is left of it');
  const remote = 'tsbridge.remote_routes=10.77.0.0/24 via 10.66.0.9';
  await create('-o', remote, '-o', 'tsbridge.announce=addresses', 'app');
  await lab.run({ name: 'router', network: 'app' });
  await lab.docker('network', 'disconnect', 'app', 'router');
  await lab.docker(
    ...['network', 'connect', '--ip', '10.66.0.5'],
    ...['--driver-opt', 'tsbridge.host_routes=10.88.0.0/24', 'app', 'router'],
  );
  const all = [
    '10.66.0.5 dev br-app scope link',
    '10.77.0.0/24 via 10.66.0.9 dev br-app',
    '10.88.0.0/24 via 10.66.0.5 dev br-app onlink',
  ];
  t.strictSame(await ours(lab), all);
  const comeBack = (what: string) =>
    until(what, async () => ((await ours(lab)).length === all.length ? true : undefined));
  await lab.hostNs('ip', 'route', 'flush', 'proto', '201');
  await comeBack('the routes to come back');
  t.strictSame(await ours(lab), all);
  await lab.killTsbridge('SIGKILL');
  await lab.hostNs('ip', 'route', 'del', '10.88.0.0/24');
  await lab.hostNs('ip', 'route', 'add', '10.99.0.0/24', 'via', '10.66.0.5', 'proto', '201');
  await lab.spawnTsbridge();
  await until('a daemon that starts to put them right', async () =>
    (await ours(lab)).join() === all.join() ? true : undefined,
  );
  await lab.docker('restart', 'router');
  t.strictSame(await ours(lab), all, 'a container that starts again has them');
  await lab.docker('rm', '-f', 'router');
  t.strictSame(await ours(lab), all.slice(1, 2), 'those of the network');
  await lab.docker('network', 'rm', 'app');
  t.strictSame(await ours(lab), []);
});
