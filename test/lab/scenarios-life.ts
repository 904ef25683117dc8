/** Scenarios of a host's life: engine restarts, docker0 beside, and what is refused. */
import {
  type Act,
  type Command,
  create,
  option,
  remove,
  removeNetwork,
  type Scenario,
  start,
} from './scenario.js';
import { internalGateway } from './scenarios.js';

const restartEngine: Act = {
  what: 'restart the engine',
  on: (lab) => lab.restartDockerd(),
};
const killEngine: Act = {
  what: 'kill the engine and start it again',
  on: async (lab) => {
    await lab.killDockerd();
    await lab.startDockerd();
  },
};

const docker0: Scenario = {
  name: 'docker0 beside',
  steps: [
    start('before', '-p', '9000:90'),
    create('app'),
    start('web', '--network', 'app', '-p', '8080:80'),
    start('after', '-p', '9001:90'),
    ['network', 'connect', 'bridge', 'web'],
    ['network', 'disconnect', 'bridge', 'web'],
    remove('before', 'web', 'after'),
    removeNetwork('app'),
  ],
};

/** Without live-restore the containers end with the engine. */
const restart: Scenario = {
  name: 'engine restart',
  anyOrder: true,
  steps: [
    create('app'),
    create('closed', '--internal', '--subnet', '10.7.0.0/24'),
    start('web', '--network', 'app', '-p', '8080:80'),
    start('always', '--network', 'app', '--restart', 'always', '-p', '8081:81'),
    restartEngine,
    ['start', 'web'],
    remove('web', 'always'),
    removeNetwork('app'),
    removeNetwork('closed'),
  ],
};

/** Holds the port for as long as the body takes. */
const refusedWhileTaken = (port: string, command: Command): Act => ({
  what: `(refused) docker ${command.join(' ')}, while a program has ${port}`,
  on: async (lab) => {
    const program = await lab.serve('host', port);
    try {
      await lab.docker(...command);
    } catch {
      return;
    } finally {
      program.kill();
      await program.exited;
    }
    throw new Error('was not refused');
  },
});

/** What the host looks like after something was refused: as before. */
const refusals: Scenario = {
  name: 'refused, and cleaned up',
  steps: [
    create('app', '--subnet', '10.6.0.0/24'),
    start('web', '--network', 'app', '-p', '8080:80'),
    { refused: start('second', '--network', 'app', '-p', '8080:81') },
    { refused: start('half', '--network', 'app', '-p', '8090:80', '-p', '8080:81') },
    { refused: start('nowhere', '--network', 'app', '-p', '198.51.100.77:8091:80') },
    { refused: create('overlap', '--subnet', '10.6.0.0/25') },
    { refused: create('word', ...option('bridge.enable_icc', 'maybe')) },
    { refused: create('mtu', ...option('driver.mtu', '-1')) },
    remove('web', 'second', 'half', 'nowhere'),
    removeNetwork('app'),
  ],
};

const taken: Scenario = {
  name: 'a port that a program holds',
  steps: [
    create('app'),
    refusedWhileTaken('tcp/9100', start('web', '--network', 'app', '-p', '9100:80')),
    remove('web'),
    removeNetwork('app'),
  ],
};

const crash: Scenario = {
  name: 'engine killed',
  anyOrder: true,
  steps: [
    create('app'),
    killEngine,
    start('web', '--network', 'app', '-p', '8080:80'),
    remove('web'),
    removeNetwork('app'),
  ],
};

/** For engines whose containers live on without them. */
export const liveRestore: Scenario = {
  name: 'engine restart, live-restore',
  anyOrder: true,
  exceptions: [internalGateway],
  steps: [
    create('app'),
    create('closed', '--internal', '--subnet', '10.7.0.0/24'),
    start('web', '--network', 'app', '-p', '8080:80', '-p', '127.0.0.1:8081:81'),
    start('inside', '--network', 'closed'),
    restartEngine,
    start('later', '--network', 'app', '-p', '8082:80'),
    remove('web', 'inside', 'later'),
    removeNetwork('app'),
    removeNetwork('closed'),
  ],
};

export const life: readonly Scenario[] = [docker0, restart, crash, refusals, taken];
