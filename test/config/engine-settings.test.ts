import { join } from 'node:path';
import t from 'tap';
import { readConfig } from '../../src/config/config.js';
import {
  differences,
  engineFilePath,
  followEngine,
  overrides,
  readEngineSettings,
} from '../../src/config/engine-settings.js';
import { readEnvironment, readFileText } from '../../src/config/sources.js';

const started = (args: readonly string[], text?: string, environment = {}) =>
  readEngineSettings({
    args,
    environment,
    file: text === undefined ? undefined : { path: '/etc/docker/daemon.json', text },
  });

t.test('flags of dockerd become settings, whichever way they are written', async (t) => {
  const { settings, problems } = started([
    ...['-H', 'fd://', '--data-root', '/ip', '--userland-proxy=false', '--ip', '192.0.2.1'],
    ...['--iptables', '--bridge-accept-fwmark=1/3', '--log-driver=journald'],
  ]);
  t.strictSame(problems, []);
  t.strictSame(
    settings.map(({ name, text }) => [name, text]),
    [
      ['userlandProxy', 'false'],
      ['defaultBindingIp', '192.0.2.1'],
      ['iptables', 'true'],
      ['bridgeAcceptFwmark', '1/3'],
    ],
  );
});

t.test('the file of dockerd counts, and what is not about networks is left', async (t) => {
  const { settings } = started([], '{"ip-masq": false, "ip": "::1", "log-level": "debug"}');
  t.strictSame(
    settings.map(({ name, text, where }) => [name, text, where]),
    [
      ['ipMasq', 'false', '"ip-masq" in /etc/docker/daemon.json'],
      ['defaultBindingIp', '::1', '"ip" in /etc/docker/daemon.json'],
    ],
  );
  t.equal(engineFilePath(['--config-file', '/srv/d.json']), '/srv/d.json');
  t.equal(engineFilePath(['--config-file=/srv/e.json']), '/srv/e.json');
  t.equal(engineFilePath([]), '/etc/docker/daemon.json');
});

t.test("the switch in dockerd's environment is a setting here", async (t) => {
  const variable = 'DOCKER_IGNORE_BR_NETFILTER_ERROR';
  t.match(started([], undefined, { [variable]: '1' }).settings, [
    { name: 'ignoreBrNetfilterError', text: 'true' },
  ]);
  t.strictSame(started([], undefined, { [variable]: '0' }).settings, []);
});

t.test('every value of dockerd that is not understood is told, with where it stands', async (t) => {
  const { problems } = started(['--ip=nowhere', '--ip-masq=perhaps'], '{"iptables": "x"}');
  t.match(problems, [
    /^"iptables" in \/etc\/docker\/daemon.json: "x" is not understood; it takes true or false$/,
    /^--ip of dockerd: "nowhere" is not understood; it takes an IPv4 or IPv6 address$/,
    /^--ip-masq of dockerd: "perhaps"/,
  ]);
  t.match(started([], '[]').problems, [/must hold one JSON object/]);
  t.strictSame(started([], 'null'), { settings: [], problems: [] }, 'dockerd starts with it');
  t.match(started([], '{').problems, [/is not JSON/]);
});

t.test('our file follows the engine: its keys change or go, all others stay', async (t) => {
  const { settings } = started(['--userland-proxy=false', '--ip=192.0.2.1']);
  const current = '{"log-level": "debug", "ip-masq": false, "userland-proxy": true}';
  const { text, changes, problems } = followEngine('/c.json', current, settings);
  t.strictSame(problems, []);
  t.strictSame(JSON.parse(text), {
    'log-level': 'debug',
    'userland-proxy': false,
    'default-binding-ip': '192.0.2.1',
  });
  t.strictSame(
    changes.map(({ key, before, after }) => [key, before, after]),
    [
      ['userland-proxy', true, false],
      ['ip-masq', false, undefined],
      ['default-binding-ip', undefined, '192.0.2.1'],
    ],
  );
  t.strictSame(followEngine('/c.json', text, settings).changes, [], 'and then it is so');
  t.strictSame(followEngine('/c.json', undefined, []).changes, []);
});

t.test('the daemon reads what setup writes as dockerd reads its own settings', async (t) => {
  const said: [string, string, unknown][] = [
    ['--bridge-accept-fwmark=1', 'bridge-accept-fwmark', '1'],
    ['--bridge-accept-fwmark=0', 'bridge-accept-fwmark', '0'],
    ['--bridge-accept-fwmark=0x1/0x3', 'bridge-accept-fwmark', '0x1/0x3'],
    ['--userland-proxy=F', 'userland-proxy', false],
    ['--ip6tables=1', 'ip6tables', true],
    ['--ip=::1', 'default-binding-ip', '::1'],
  ];
  for (const [flag, key, value] of said) {
    const { text } = followEngine('/c.json', undefined, started([flag]).settings);
    t.strictSame(JSON.parse(text), { [key]: value }, flag);
    t.strictSame(readFileText('/c.json', text).problems, []);
    const file = join(t.testdir({ 'c.json': text }), 'c.json');
    const config = await readConfig(['--config', file], {});
    t.strictSame(differences(config, started([flag]).settings), [], flag);
  }
});

t.test('each file that dockerd accepts is understood', async (t) => {
  t.match(started([], '\uFEFF{"ip-masq": false}'), { settings: [{ text: 'false' }], problems: [] });
  for (const text of ['', ' \n', '{"toString": 1, "__proto__": {"ip": "::1"}}']) {
    t.strictSame(started([], text), { settings: [], problems: [] }, text);
  }
  t.strictSame(started(['--constructor', '--toString=1']), { settings: [], problems: [] });
});

t.test('while dockerd does not run, settings that its file does not have stay', async (t) => {
  const current = '{"userland-proxy": false, "ip-masq": true}';
  const { settings } = started([], '{"ip-masq": false}');
  const { text, changes } = followEngine('/c.json', current, settings, false);
  t.strictSame(JSON.parse(text), { 'userland-proxy': false, 'ip-masq': false });
  t.strictSame(
    changes.map(({ key }) => key),
    ['ip-masq'],
  );
});

t.test('a file of ours that is not valid is not written over', async (t) => {
  const { problems, text } = followEngine('/c.json', '{"log-lvl": 1}', []);
  t.match(problems, [/unknown key "log-lvl" in \/c.json/]);
  t.equal(text, '{"log-lvl": 1}');
});

t.test('what dockerd and this daemon were told differently', async (t) => {
  const told = async (ours: readonly string[], engine: readonly string[]) =>
    differences(await readConfig(ours, {}), started(engine).settings).map(
      ({ key, ours: own, engine: its }) => `${key}: ${own}, ${its}`,
    );
  t.strictSame(await told([], []), []);
  t.strictSame(await told(['--ip6tables=true'], []), [], "its own default is a version's");
  t.strictSame(await told([], ['--userland-proxy=true', '--iptables']), [], 'as by default');
  t.strictSame(await told(['--userland-proxy=false'], ['--userland-proxy=false']), []);
  t.strictSame(await told(['--ip-masq=false'], ['--userland-proxy=false', '--ip=192.0.2.1']), [
    'userland-proxy: true, false',
    'ip-masq: false, true',
    'default-binding-ip: undefined, 192.0.2.1',
  ]);
  t.strictSame(await told(['--bridge-accept-fwmark=1'], ['--bridge-accept-fwmark=1']), []);
});

t.test('variables that keep a setting different from dockerd’s are found', async (t) => {
  const { settings: variables } = readEnvironment({
    ...{ TSBRIDGE_IPTABLES: 'false', TSBRIDGE_IP_MASQ: '0', TSBRIDGE_IP6TABLES: 'false' },
    ...{
      TSBRIDGE_DEFAULT_BINDING_IP: 'x',
      TSBRIDGE_LOG_LEVEL: 'debug',
      TSBRIDGE_USERLAND_PROXY: '1',
    },
  });
  const { settings: engine } = started(['--ip-masq=false', '--ip=192.0.2.1']);
  const ip = { variable: 'TSBRIDGE_DEFAULT_BINDING_IP', ours: 'x', engine: '192.0.2.1' };
  const iptables = { variable: 'TSBRIDGE_IPTABLES', ours: 'false', engine: 'true' };
  t.strictSame(overrides(variables, engine, true), [iptables, ip]);
  t.strictSame(overrides(variables, engine, false), [ip], 'it may have a flag for the others');
  const told = started(['--ip6tables']).settings;
  t.match(overrides(variables, told, false), [{ variable: 'TSBRIDGE_IP6TABLES' }]);
  const address = readEnvironment({ TSBRIDGE_DEFAULT_BINDING_IP: '192.0.2.1' }).settings;
  t.match(overrides(address, [], true), [{ ours: '192.0.2.1', engine: 'all addresses' }]);
  const wrong = readEnvironment({ TSBRIDGE_BRIDGE_ACCEPT_FWMARK: 'x' }).settings;
  t.match(overrides(wrong, [], true), [{ ours: 'x', engine: 'no mark' }], 'not accepted');
});
