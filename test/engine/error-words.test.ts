/**
 * What is refused, on each engine beside the built-in driver: our text has the words that its users
 * know, and of several problems the one that it would have named comes first.
 */
import t from 'tap';
import type { Lab } from '../lab/lab.js';
import { Pair } from '../lab/pair.js';
import { CommandError } from '../lab/process.js';
import { create, option, start } from '../lab/scenario.js';
import type { EngineVersion } from '../lab/suites.js';

interface Refusal {
  readonly command: readonly string[];
  /** Where the built-in driver refuses it; everywhere if absent. */
  readonly engines?: readonly EngineVersion[];
}

const label = (name: string, value: string) => option(`bridge.${name}`, value);
const publish = (...ports: string[]): string[] =>
  start('second', '--network', 'app', ...ports.flatMap((port) => ['-p', port])) as string[];

const refusals: readonly Refusal[] = [
  { command: publish('9000:80') },
  { command: publish('8000:80', '9000:80') },
  { command: publish('9100:80') },
  { command: publish('198.51.100.77:9300:80') },
  // Up to 26 the bind fails there, in other words: docs/differences.md.
  { command: publish('127.0.0.1:9000:80'), engines: ['28.5'] },
  { command: publish('[ff02::fb]:9400:80') },
  { command: publish('[fe80::1]:9400:80') },
  { command: publish('240.0.0.1:9400:80') },
  { command: create('bad', '--ipv4=false'), engines: ['28.5'] },
  { command: create('bad', ...label('enable_icc', 'maybe')) },
  { command: create('bad', ...label('enable_ip_masquerade', '2')) },
  { command: create('bad', ...label('host_binding_ipv4', '10.0.0')) },
  { command: create('bad', ...option('driver.mtu', 'abc')) },
  { command: create('bad', ...option('driver.mtu', '-1')) },
  { command: create('bad', ...label('name', 'eth0')) },
  { command: create('bad', ...label('name', 'br-app')) },
  { command: create('bad', ...label('gateway_mode_ipv4', 'open')), engines: ['28.5'] },
  { command: create('bad', ...label('gateway_mode_ipv4', 'isolated')), engines: ['28.5'] },
  { command: create('bad', '--ipam-driver', 'null'), engines: ['20.10', '26.1'] },
  // Of two problems the built-in driver names one.
  { command: create('bad', ...label('enable_icc', 'maybe'), ...label('name', 'br-app')) },
  { command: create('bad', ...option('driver.mtu', '-1'), ...label('name', 'br-app')) },
  { command: create('bad', ...label('enable_icc', 'x'), ...option('driver.mtu', '-1')) },
  {
    command: create(
      'bad',
      ...label('gateway_mode_ipv4', 'isolated'),
      ...option('driver.mtu', '-1'),
    ),
    engines: ['28.5'],
  },
];

/** Without the client's and the engine's words, and without what is different each time. */
async function refusalOf(lab: Lab, driver: string, command: readonly string[]): Promise<string> {
  const words = command.map((word) => (word === 'DRIVER' ? driver : word));
  try {
    await lab.docker(...words);
    return '(accepted)';
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const [line = ''] = error.stderr.split('\n').filter((text) => /Error response/.test(text));
    return (
      line
        .replace(/^.*Error response from daemon: /, '')
        .replace(/^.*external connectivity on endpoint \S+ \([0-9a-f]+\): /, '')
        .replace(/\b[0-9a-f]{12,64}\b/g, 'ID')
        .replace(/:10\.6\.0\.\d+:/, ':CONTAINER:')
        // Of two addresses that are taken, 28 names one at random.
        .replace('Bind for :::', 'Bind for 0.0.0.0:')
        .replace(/\.$/, '')
    );
  } finally {
    await lab.docker('rm', '-f', 'second').catch(() => {});
  }
}

for (const engine of ['20.10', '26.1', '28.5'] as const) {
  t.test(engine, async (t) => {
    const pair = await Pair.create({ engine });
    t.teardown(() => pair.dispose());
    const labs = [
      [pair.reference, 'bridge'],
      [pair.candidate, pair.driver],
    ] as const;
    const holders = await Promise.all(
      labs.map(async ([lab, driver]) => {
        const name = label('name', 'br-app');
        const network = create('app', '--subnet', '10.6.0.0/24', ...name);
        await lab.docker(...network.map((word) => (word === 'DRIVER' ? driver : word)));
        await lab.docker(...start('first', '--network', 'app', '-p', '9000:80'));
        return lab.serve('host', 'tcp/9100');
      }),
    );
    for (const { command, engines } of refusals) {
      if (engines?.includes(engine) === false) continue;
      const [theirs = '', ours = ''] = await Promise.all(
        labs.map(([lab, driver]) => refusalOf(lab, driver, command)),
      );
      const what = command.slice(1).join(' ');
      t.not(theirs, '(accepted)', `${what}: the built-in driver refuses it`);
      // What Go's parsers say in brackets are no words for users; ours say what is accepted.
      const known = theirs.replace(/ \(strconv\..*/, '').replace(/\)$/, '');
      t.ok(ours.includes(known), `${what}: ${known}`, { found: ours, wanted: known });
    }
    await Promise.all(holders.map((holder) => holder.kill()));
    if (!t.passing()) pair.candidate.printLogs();
  });
}
