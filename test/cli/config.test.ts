import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { readConfig } from '../../src/config/config.js';
import {
  environmentName,
  fallbackText,
  fieldNames,
  fields,
  fileKey,
} from '../../src/config/fields.js';
import { DriverError, messageOf } from '../../src/core/errors.js';

/** A file that is not there and was named would be an error: every test names one that is. */
const empty = t.testdir({ 'config.json': '{}' });
const emptyFile = join(empty, 'config.json');

function read(args: readonly string[] = [], environment: Record<string, string> = {}) {
  return readConfig(args, { TSBRIDGE_CONFIG: emptyFile, ...environment });
}

/** The lines of the error that the promise is rejected with. */
async function problemsOf(promise: Promise<unknown>): Promise<string[]> {
  try {
    await promise;
  } catch (error) {
    t.ok(error instanceof DriverError && error.code === 'config-invalid', 'config-invalid');
    const lines = messageOf(error).split('\n');
    t.match(lines[0], /cannot start with this configuration:$/);
    t.match(lines.at(-1), /tsbridge daemon --help/);
    return lines.slice(1, -1).map((line) => line.replace(/^ {2}- /, ''));
  }
  return [];
}

async function fileWith(text: string): Promise<string> {
  const path = join(empty, `${randomUUID()}.json`);
  await writeFile(path, text);
  return path;
}

t.test('without any setting the configuration has the documented defaults', async (t) => {
  const config = await read();
  t.strictSame(config, {
    socket: '/run/docker/plugins/tsbridge.sock',
    stateDir: '/var/lib/tsbridge',
    runtimeDir: '/run/tsbridge',
    sysctlDir: '/proc/sys',
    proxyUnit: 'none',
    userlandProxy: true,
    iptables: true,
    ip6tables: 'auto',
    ipForward: true,
    ipForwardNoDrop: false,
    ipMasq: true,
    defaultBindingIp: undefined,
    allowDirectRouting: false,
    bridgeAcceptFwmark: undefined,
    ignoreBrNetfilterError: false,
    firewallGeneration: 'auto',
    ruleBackend: 'auto',
    logLevel: 'info',
    callTimeoutMs: 30_000,
    metricsListen: undefined,
    metricsPerNetwork: false,
    metricsPerEndpoint: false,
    dockerSocket: '/run/docker.sock',
    gcAfterMs: 3_600_000,
    configFile: emptyFile,
  });
  t.ok(Object.isFrozen(config));
});

t.test('the default file may be absent, and its name stands in the result', async (t) => {
  const config = await readConfig([], {});
  t.equal(config.configFile, '/etc/tsbridge/config.json');
});

t.test('flag beats environment beats file beats default', async (t) => {
  const file = await fileWith('{"log-level": "error", "ip-masq": false, "state-dir": "/file"}');
  const environment = { TSBRIDGE_LOG_LEVEL: 'warn', TSBRIDGE_STATE_DIR: '/environment' };
  const config = await read(['--config', file, '--log-level', 'debug'], environment);
  t.match(config, {
    logLevel: 'debug',
    stateDir: '/environment',
    ipMasq: false,
    ipForward: true,
    configFile: file,
  });
});

t.test('the file is found by flag before environment', async (t) => {
  const file = await fileWith('{"ip-masq": false}');
  t.equal((await read([], { TSBRIDGE_CONFIG: file })).ipMasq, false);
  t.equal((await read([`--config=${file}`], { TSBRIDGE_CONFIG: '/nowhere' })).ipMasq, false);
});

t.test('a flag may be written with =, with a space, or alone', async (t) => {
  t.equal((await read(['--userland-proxy=false'])).userlandProxy, false);
  t.equal((await read(['--userland-proxy', 'false'])).userlandProxy, false);
  t.equal((await read(['--ip-forward-no-drop'])).ipForwardNoDrop, true);
  t.match(await read(['--ip6tables', '--log-level=debug']), { ip6tables: true, logLevel: 'debug' });
  t.equal((await read(['--iptables=0'])).iptables, false, 'as Docker reads booleans');
  t.equal((await read(['--log-level', 'debug', '--log-level', 'warn'])).logLevel, 'warn');
});

t.test('each kind of setting reads the values that it accepts', async (t) => {
  t.equal((await read(['--call-timeout=2.5'])).callTimeoutMs, 2500);
  t.equal((await read(['--docker-socket=none'])).dockerSocket, 'none');
  t.equal((await read(['--gc=off'])).gcAfterMs, 'off');
  t.equal((await read(['--gc', '60'])).gcAfterMs, 60_000);
  t.equal((await read(['--ip6tables=auto'])).ip6tables, 'auto');
  t.equal((await read(['--ip6tables=F'])).ip6tables, false);
  t.equal((await read(['--default-binding-ip', '127.0.0.1'])).defaultBindingIp, '127.0.0.1');
  t.equal((await read(['--default-binding-ip=::1'])).defaultBindingIp, '::1');
  t.equal((await read(['--firewall-generation=docker28'])).firewallGeneration, 'docker28');
  t.equal((await read([], { TSBRIDGE_STATE_DIR: '' })).stateDir, '/var/lib/tsbridge');
});

t.test('values in the file, as JSON has them and as text', async (t) => {
  const file = await fileWith('{"userland-proxy": false, "call-timeout": 5, "ip6tables": "true"}');
  t.match(await read(['--config', file]), {
    userlandProxy: false,
    callTimeoutMs: 5000,
    ip6tables: true,
  });
});

t.test('every problem at once, each with its place and the nearest right one', async (t) => {
  const file = await fileWith('{"userlandproxy": true, "socket": "x.sock", "iptables": null}');
  const problems = await problemsOf(
    read(
      ['--config', file, '--userland-prox=false', '--log-level', 'inf', 'more', '--call-timeout'],
      { TSBRIDGE_IPTABLES: 'maybe', TSBRIDGE_STATEDIR: '/x' },
    ),
  );
  t.strictSame(problems.sort(), [
    `"iptables" in ${file}: null is not accepted; it takes true or false`,
    `"socket" in ${file}: "x.sock" is not accepted; it takes the absolute path of a unix socket, at most 107 bytes and without control characters`,
    '--call-timeout needs a value; it takes a number of seconds from 1 to 600',
    '--log-level: "inf" is not accepted; it takes debug, info, warn, error or fatal; did you mean info?',
    'TSBRIDGE_IPTABLES: "maybe" is not accepted; it takes true or false',
    'unexpected argument "more"',
    'unknown environment variable TSBRIDGE_STATEDIR; did you mean TSBRIDGE_STATE_DIR?',
    'unknown flag --userland-prox; did you mean --userland-proxy?',
    `unknown key "userlandproxy" in ${file}; did you mean "userland-proxy"?`,
  ]);
});

t.test('a bad value is reported even where a good one overrides it', async (t) => {
  const promise = read(['--iptables=true'], { TSBRIDGE_IPTABLES: 'no' });
  t.match(await problemsOf(promise), ['TSBRIDGE_IPTABLES: "no" is not accepted']);
});

t.test('a configuration file that cannot be used is a problem that names it', async (t) => {
  for (const [text, problem] of [
    ['{', /\.json is not JSON: /],
    ['[]', /\.json must hold one JSON object/],
    ['null', /\.json must hold one JSON object/],
    ['{"config": "/x"}', /^unknown key "config" in /],
    ['{"socket": ["/x"]}', /"socket" in .*: \["\/x"\] is not accepted/],
  ] as const) {
    t.match(await problemsOf(read(['--config', await fileWith(text)])), [problem], text);
  }
  t.match(await problemsOf(read(['--config', '/nowhere/c.json'])), [/^\/nowhere\/c.json cannot/]);
  t.match(await problemsOf(read(['--config', empty])), [/cannot be read: read: is a directory/]);
  t.match(await problemsOf(read(['--config', 'c.json'])), [/^--config: "c.json" is not accepted/]);
});

t.test('each value that a setting does not accept is reported with what it takes', async (t) => {
  const long = `/${'x'.repeat(107)}`;
  for (const flag of [
    '--socket=',
    '--socket=/a\0b',
    '--socket=/a\nb',
    `--socket=${long}`,
    `--runtime-dir=${long.slice(0, 98)}`,
    '--state-dir=relative',
    '--proxy-unit=tsbridge-proxy',
    '--proxy-unit=-H@',
    '--proxy-unit=a/b@',
    '--call-timeout=0',
    '--call-timeout=601',
    '--call-timeout=1e2',
    '--call-timeout=-1',
    '--default-binding-ip=localhost',
    '--default-binding-ip=',
    '--ip6tables=yes',
    '--firewall-generation=docker21',
  ]) {
    t.match(await problemsOf(read([flag])), [/ is not accepted; it takes /], JSON.stringify(flag));
  }
  t.match(await read([`--socket=${long.slice(0, 107)}`, `--runtime-dir=${long.slice(0, 96)}`]), {});
});

t.test('a flag after -- and a short flag are not settings', async (t) => {
  t.match(await problemsOf(read(['--', '--iptables'])), ['unexpected argument "--iptables"']);
  t.match(await problemsOf(read(['-D'])), [/^unknown flag -D/]);
});

t.test('every setting can be set in every place that it has', async (t) => {
  for (const name of fieldNames) {
    const own = {
      defaultBindingIp: '192.0.2.1',
      bridgeAcceptFwmark: '1/3',
      metricsListen: '[::1]:9469',
    };
    const text = name in own ? own[name as keyof typeof own] : fallbackText(name);
    if (name === 'configFile') continue;
    const viaFlag = await read([`--${fields[name].flag}=${text}`]);
    const viaEnvironment = await read([], { [environmentName(name)]: text });
    const file = await fileWith(JSON.stringify({ [String(fileKey(name))]: text }));
    const viaFile = await read(['--config', file]);
    t.same(viaFlag[name], viaEnvironment[name], `${name} by flag and environment`);
    t.same(viaFlag[name], viaFile[name], `${name} by flag and file`);
  }
});

t.test('the text that a kind shows for a value is parsed to the same value', async (t) => {
  const show = (name: (typeof fieldNames)[number]) => fields[name].kind.parse(fallbackText(name));
  for (const name of fieldNames) {
    if (name === 'defaultBindingIp') continue;
    t.equal(show(name), fields[name].fallback, name);
  }
  const address = fields.defaultBindingIp.kind;
  t.equal(address.show(address.parse('192.0.2.1')), '192.0.2.1');
  t.equal(address.show(undefined), '');
  const place = fields.metricsListen.kind;
  for (const text of ['127.0.0.1:9469', '[::1]:1', '[2001:db8::1]:65535']) {
    t.equal(place.show(place.parse(text)), text);
  }
  t.equal(place.show(undefined), '');
  for (const text of [
    '9469',
    ':9469',
    '127.0.0.1',
    '::1:80',
    '[127.0.0.1]:1',
    'host:80',
    '1.2.3.4:0',
  ]) {
    t.equal(place.parse(text), undefined, text);
  }
});

t.test('any command line is either read or refused with reasons', async () => {
  const word = fc.oneof(
    fc.constantFrom('--iptables', '--socket', '--log-level=', '--', '-', '=', '--=', '--config='),
    // fast-check's own unit `binary` spends a second on a table of all characters.
    fc
      .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 12 })
      .map((codes) => String.fromCodePoint(...codes)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (args) => {
      try {
        await read(args);
      } catch (error) {
        return error instanceof DriverError && error.message.split('\n').length >= 3;
      }
      return true;
    }),
  );
});
