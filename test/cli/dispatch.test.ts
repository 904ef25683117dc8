import { readFileSync } from 'node:fs';
import t from 'tap';
import { daemonCommand } from '../../src/cli/commands/daemon.js';
import { dispatch } from '../../src/cli/dispatch.js';
import { columns } from '../../src/cli/output/lines.js';
import type { Terminal } from '../../src/cli/terminal.js';
import { fieldNames, fields } from '../../src/config/fields.js';

async function tsbridge(...args: string[]) {
  const said = { out: '', err: '' };
  const terminal: Terminal = {
    environment: {},
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
  };
  return { code: await dispatch(args, terminal), ...said };
}

t.test('tsbridge --help lists every command', async (t) => {
  const help = await tsbridge('--help');
  t.match(help, { code: 0, err: '', out: /^Usage: tsbridge COMMAND/m });
  for (const command of ['daemon', 'help']) t.match(help.out, new RegExp(`^  ${command} `, 'm'));
  t.strictSame(await tsbridge('-h'), help);
  t.strictSame(await tsbridge('help'), help);
  t.match(await tsbridge('help', 'help'), { code: 0, out: /^Usage: tsbridge help \[COMMAND\]\n/ });
  t.strictSame(await tsbridge('help', '--help'), help);
});

t.test('without a command the help is an error', async (t) => {
  t.match(await tsbridge(), { code: 2, out: '', err: /^Usage:/m });
});

t.test('help of the daemon names every flag, in lines that fit', async (t) => {
  const help = await tsbridge('daemon', '--help');
  t.match(help, { code: 0, err: '' });
  for (const name of fieldNames) t.match(help.out, `  --${fields[name].flag} `);
  for (const line of help.out.split('\n')) t.ok([...line].length <= 100, line);
  t.strictSame(await tsbridge('help', 'daemon'), help);
  t.strictSame(await tsbridge('daemon', '--wrong', '-h'), help, 'also beside mistakes');
});

t.test('tsbridge --version prints the version of package.json', async (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  t.strictSame(await tsbridge('--version'), { code: 0, out: `${version}\n`, err: '' });
  t.strictSame(await tsbridge('-v'), await tsbridge('--version'));
});

t.test('an unknown command is refused with the nearest one that exists', async (t) => {
  t.match(await tsbridge('deamon'), { code: 2, out: '', err: 'did you mean tsbridge daemon?' });
  t.match(await tsbridge('help', 'hepl'), { code: 2, out: '', err: 'did you mean tsbridge help?' });
  t.match(await tsbridge('--verbose'), { code: 2, out: '', err: /unknown command "--verbose"/ });
});

t.test('a wrong configuration is a usage error, and nothing is started', async (t) => {
  const { code, out, err } = await tsbridge('daemon', '--sockt=/x', '--', '--help');
  t.equal(code, 2);
  t.equal(out, '');
  t.match(err, 'unknown flag --sockt; did you mean --socket?');
  t.match(err, 'unexpected argument "--help"');
});

t.test('the daemon is run with what was configured, and its exit code is ours', async (t) => {
  const seen: unknown[] = [];
  const command = daemonCommand(() =>
    Promise.resolve({
      runDaemon: (config) => {
        seen.push(config.logLevel);
        return Promise.resolve(1);
      },
    }),
  );
  const terminal: Terminal = { environment: {}, out: t.fail, err: t.fail };
  t.equal(await command.run(['--log-level=debug'], terminal), 1);
  t.strictSame(seen, ['debug']);
});

t.test(
  'on a machine without libraries for it the daemon says so, and nothing is loaded',
  async (t) => {
    const load = () => Promise.reject(new Error('loaded'));
    const command = daemonCommand(load, () => ({
      system: 'linux',
      architecture: 'arm',
      glibc: '2.36',
    }));
    const said: string[] = [];
    const terminal: Terminal = {
      environment: {},
      out: t.fail,
      err: (text) => said.push(String(text)),
    };
    t.equal(await command.run([], terminal), 2);
    t.match(said.join(''), /^tsbridge: this is Linux on arm, and tsbridge runs on .*\n$/);
  },
);

t.test('whatever else goes wrong is one line', async (t) => {
  const terminal: Terminal = {
    environment: {},
    out: () => {
      throw new Error('write EPIPE');
    },
    err: (text) => t.equal(String(text), 'tsbridge help: write: broken pipe\n'),
  };
  t.equal(await dispatch(['--help'], terminal), 1);
});

t.test('help is set in two aligned columns that keep to the width', (t) => {
  t.equal(String(columns([['a', 'one']])), '  a  one\n');
  const long = String(
    columns([
      ['a', `${'word '.repeat(30)}end`],
      ['bcd', 'two'],
    ]),
  ).split('\n');
  t.match(long[1], /^ {7}word/);
  t.equal(long[2], '  bcd  two');
  t.equal(
    String(columns([['a', 'x'.repeat(200)]])).split('\n').length,
    2,
    'one long word stays whole',
  );
  t.end();
});

/** `tsbridge ARGS` in a process of its own. */
