/**
 * UDP ports that another program holds and lets others have (avahi on 5353), or does not; and multicast
 * addresses. On each engine beside the built-in driver: what that publishes we publish, on the same sockets.
 */
import { join } from 'node:path';
import t from 'tap';
import type { Lab } from '../lab/lab.js';
import { Pair } from '../lab/pair.js';
import { CommandError, LabProcess, until } from '../lab/process.js';

/** Options of a socket that a program sets before it binds it. */
const holders: Readonly<Record<string, string>> = {
  nothing: '',
  SO_REUSEADDR: 'SO_REUSEADDR',
  SO_REUSEPORT: '15',
  both: 'SO_REUSEADDR, 15',
};

async function hold(lab: Lab, options: string): Promise<LabProcess> {
  const script = `
    $| = 1;
    socket(S, PF_INET, SOCK_DGRAM, 17) or die;
    my @options = (${options});
    for (@options) { setsockopt(S, SOL_SOCKET, $_, 1) or die }
    bind(S, sockaddr_in(5353, INADDR_ANY)) or die;
    print "ready\\n";
    sleep 600;`;
  const command = lab.namespaces.enter('host', ['perl', '-MSocket', '-e', script]);
  const program = new LabProcess(command, join(lab.namespaces.directory, 'servers.log'));
  await until('a program to hold the port', () => program.lines.includes('ready') || undefined);
  return program;
}

/** The sockets of a container that publishes the port, or that it is refused. */
async function publish(lab: Lab, port: string): Promise<string[]> {
  try {
    await lab.run({ name: 'web', network: 'app', publish: [port] });
    const { sockets } = await lab.snapshot();
    return sockets.filter((socket) => socket.includes(':5353 ')).map((s) => s.replace(/ \S+$/, ''));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return ['refused'];
  } finally {
    await lab.docker('rm', '-f', 'web');
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
    const both = async (port: string): Promise<void> => {
      const [theirs, ours] = await Promise.all(labs.map(([lab]) => publish(lab, port)));
      t.same(ours, theirs, `${port}: ${theirs}`);
    };
    for (const [lab, driver] of labs) await lab.docker('network', 'create', '-d', driver, 'app');
    for (const [what, options] of Object.entries(holders)) {
      const programs = await Promise.all(labs.map(([lab]) => hold(lab, options)));
      t.comment(`a program that sets ${what}`);
      await both('5353:53/udp');
      await Promise.all(programs.map((program) => program.kill()));
    }
    for (const address of ['224.0.0.251', '[ff02::fb]', '255.255.255.255', '192.0.2.255']) {
      await both(`${address}:5353:53/udp`);
    }
    await both('[::ffff:192.0.2.1]:5353:53/udp');
    await both('[::ffff:0.0.0.0]:5353:53');
    // Both drivers would bind it; only one of the containers would ever hear anything.
    await pair.candidate.run({ name: 'first', publish: ['5353:53/udp'] });
    t.same(await publish(pair.candidate, '5353:53/udp'), ['refused']);
    if (!t.passing()) pair.candidate.printLogs();
  });
}
