/** What the packages' scripts do on a host with networks, and beside another installation. The host is a folder here. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { debianScripts, rpmScripts } from '../../packaging/scripts.js';
import { makeTarget, run } from '../process/install.js';

const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const scripts = debianScripts(repository);
const unit = 'etc/systemd/system/tsbridge.service';
const record = `networks/${'a'.repeat(64)}.json`;

function put(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** Runs a script of the Debian package for the host below `root`, with what dpkg says. */
async function dpkg(root: string, name: string, ...args: string[]) {
  const script = join(makeTarget(), name);
  writeFileSync(script, scripts[name] ?? '', { mode: 0o755 });
  const env = { PATH: process.env.PATH, DPKG_ROOT: root };
  return await run(script, args, { env }).then(
    ({ stderr }) => ({ code: 0, stderr }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
  );
}

t.test('no package is unpacked beside another installation, wherever that is', async (t) => {
  for (const start of [
    '/usr/local/lib/tsbridge/bin/node',
    '/opt/a/node',
    '/usr/local/bin/tsbridge',
  ]) {
    const root = makeTarget();
    put(root, unit, `[Service]\nExecStartPre=+/usr/bin/touch /x\nExecStart=${start} daemon\n`);
    const refused = await dpkg(root, 'preinst', 'install');
    t.match(refused, {
      code: 1,
      stderr: /Remove that one first:\n {2}scripts\/install --uninstall/,
    });
    t.match(
      await dpkg(root, 'preinst', 'upgrade', '0.1.0'),
      { code: 0 },
      'an update is no new installation',
    );
  }
});

t.test('a unit that an administrator has masked or changed is no other installation', async (t) => {
  const root = makeTarget();
  mkdirSync(join(root, dirname(unit)), { recursive: true });
  symlinkSync('/dev/null', join(root, unit));
  t.match(await dpkg(root, 'preinst', 'install'), { code: 0 });
  const changed = makeTarget();
  put(changed, unit, '[Service]\nExecStart=/usr/lib/tsbridge/bin/node main.js daemon\n');
  t.match(await dpkg(changed, 'preinst', 'install'), { code: 0 });
  t.match(await dpkg(makeTarget(), 'preinst', 'install'), { code: 0 });
});

t.test(
  'a removal is refused while there are networks, also where their folder is a link',
  async (t) => {
    const root = makeTarget();
    put(root, `srv/state/${record}`, '{}');
    mkdirSync(join(root, 'var/lib'), { recursive: true });
    symlinkSync('../../srv/state', join(root, 'var/lib/tsbridge'));
    const refused = await dpkg(root, 'prerm', 'remove');
    t.match(refused, {
      code: 1,
      stderr:
        /since 1 network of this driver would be left, recorded in \S+\/srv\/state\/networks\.\n/,
    });
    for (const words of [
      ['upgrade', '9'],
      ['failed-upgrade', '1'],
      ['deconfigure', 'in-favour'],
    ]) {
      t.match(await dpkg(root, 'prerm', ...words), { code: 0 }, words.join(' '));
    }
    t.match(await dpkg(root, 'postrm', 'purge'), { code: 0, stderr: /for 1 network of another/ });
    t.ok(existsSync(join(root, 'srv/state', record)));
  },
);

t.test('a package that goes leaves an installation beside it alone', async (t) => {
  const root = makeTarget();
  put(root, unit, '[Service]\nExecStart=/usr/local/lib/tsbridge/bin/node main.js daemon\n');
  put(root, `var/lib/tsbridge/${record}`, '{}');
  put(root, 'etc/tsbridge/config.json', '{}');
  put(root, 'run/tsbridge/admin.sock', '');
  const before = readdirSync(root, { recursive: true });
  t.match(await dpkg(root, 'prerm', 'remove'), { code: 0, stderr: '' }, 'networks are not its own');
  t.match(await dpkg(root, 'postrm', 'purge'), { code: 0, stderr: /of another installation/ });
  t.strictSame(readdirSync(root, { recursive: true }), before);
});

t.test(
  'a purge takes settings, records and sockets; other words of dpkg take nothing',
  async (t) => {
    const root = makeTarget();
    for (const path of [
      'etc/tsbridge/config.json',
      'var/lib/tsbridge/daemon.lock',
      'run/tsbridge/x',
    ]) {
      put(root, path, '');
    }
    for (const words of ['remove', 'upgrade', 'failed-upgrade', 'abort-install', 'disappear']) {
      t.match(await dpkg(root, 'postrm', words), { code: 0 }, words);
    }
    for (const words of ['abort-upgrade', 'abort-remove', 'abort-deconfigure']) {
      t.match(await dpkg(root, 'postinst', words), { code: 0 }, words);
    }
    t.ok(existsSync(join(root, 'etc/tsbridge/config.json')));
    t.match(await dpkg(root, 'postrm', 'purge'), { code: 0, stderr: '' });
    t.strictSame(readdirSync(root, { recursive: true }).sort(), ['etc', 'run', 'var', 'var/lib']);
  },
);

t.test('only records of networks count, whatever the root is called', async (t) => {
  const root = join(makeTarget(), 'network-image');
  put(root, 'var/lib/tsbridge/endpoints/b.json', '{}');
  t.match(await dpkg(root, 'prerm', 'remove'), { code: 0, stderr: '' });
  put(root, `var/lib/tsbridge/${record}`, '{}');
  t.match(await dpkg(root, 'prerm', 'remove'), { code: 1, stderr: /since 1 network of/ });
  put(root, `var/lib/tsbridge/networks/${'b'.repeat(64)}.json`, '{}');
  t.match(await dpkg(root, 'prerm', 'remove'), { code: 1, stderr: /since 2 networks of/ });
});

t.test('records are found wherever the settings have them, each time they are named', async (t) => {
  const dropIn = 'etc/systemd/system/tsbridge.service.d/state.conf';
  const defaults = 'etc/default/tsbridge';
  const settings: [string, string, string][] = [
    [defaults, 'A=1\nTSBRIDGE_STATE_DIR=/srv/x\n', 'srv/x'],
    [defaults, 'TSBRIDGE_STATE_DIR = /srv/x/\r', 'srv/x'],
    [defaults, 'TSBRIDGE_STATE_DIR="/srv/a b"', 'srv/a b'],
    [defaults, 'TSBRIDGE_STATE_DIR=/srv/a b', 'srv/a b'],
    [defaults, 'TSBRIDGE_STATE_DIR=/srv/a\\ b', 'srv/a b'],
    [defaults, 'TSBRIDGE_STATE_DIR=/', '.'],
    [dropIn, '[Service]\nExecStart=/x daemon "--state-dir=/srv/a b" -h\n', 'srv/a b'],
    [dropIn, '[Service]\nExecStart=/x daemon --state-dir  "/srv/a b"\n', 'srv/a b'],
    [dropIn, '[Service]\nEnvironment="TSBRIDGE_STATE_DIR=/srv/a b" "B=/c"\n', 'srv/a b'],
    [dropIn, '[Service]\nEnvironment=A=/b TSBRIDGE_STATE_DIR=/srv/x B=/c\n', 'srv/x'],
    [
      unit,
      '[Service]\nExecStart=/usr/lib/tsbridge/bin/node daemon --state-dir /srv/x -h\n',
      'srv/x',
    ],
    ['etc/tsbridge/config.json', '{ "iptables": true, "state-dir" : "/srv/a b" }', 'srv/a b'],
  ];
  for (const [file, text, folder] of settings) {
    const root = makeTarget();
    put(root, file, text);
    t.match(await dpkg(root, 'prerm', 'remove'), { code: 0, stderr: '' }, 'no records');
    put(root, `${folder}/${record}`, '{}');
    const place = join(root, folder, 'networks');
    t.match(
      await dpkg(root, 'prerm', 'remove'),
      { code: 1, stderr: `since 1 network of this driver would be left, recorded in ${place}.` },
      text,
    );
    put(root, file, `${text}\n# TSBRIDGE_STATE_DIR=/srv/other\n`);
    put(root, `srv/other/${record}`, '{}');
    t.match(
      await dpkg(root, 'prerm', 'remove'),
      { code: 1, stderr: /since 1 network of/ },
      'a comment names no folder',
    );
  }
  const root = makeTarget();
  put(root, defaults, 'TSBRIDGE_CONFIG="/srv/settings.json"\n');
  put(root, 'srv/settings.json', '{"state-dir":"/srv/x"}');
  put(root, `srv/x/${record}`, '{}');
  put(root, `var/lib/tsbridge/second/${record}`, '{}');
  t.match(await dpkg(root, 'prerm', 'remove'), { code: 1, stderr: /since 2 networks of/ });
});

t.test(
  'what else is in a folder of records is not searched, as a setting may name any',
  async (t) => {
    const root = makeTarget();
    put(root, 'etc/default/tsbridge', 'TSBRIDGE_STATE_DIR=/srv\nTSBRIDGE_CONFIG=/srv\n');
    put(root, `var/lib/tsbridge/a/b/${record}`, '{}');
    put(root, 'srv/network-tools/package.json', '{"phase":"removing"}');
    t.match(await dpkg(root, 'prerm', 'remove'), { code: 0, stderr: '' });
    put(root, `srv/${record}`, '{}');
    t.match(await dpkg(root, 'prerm', 'remove'), { code: 1, stderr: /since 1 network of/ });
  },
);

/**
 * Runs `restart_updated` with a systemctl that only notes what it is asked.
 *
 * @param answers subcommand of systemctl → its exit status; 0 for all others
 * @param root the host's folder
 */
async function restarted(answers: Record<string, number>, root = makeTarget()) {
  const folder = makeTarget();
  const cases = Object.entries(answers).map(([word, status]) => `${word}) exit ${status} ;;`);
  const log = join(folder, 'log');
  const lines = ['#!/bin/sh', `echo "$*" >>${log}`, `case $1 in`, ...cases, 'esac'];
  writeFileSync(join(folder, 'systemctl'), `${lines.join('\n')}\n`, { mode: 0o755 });
  const functions = readFileSync(join(repository, 'packaging/scripts/functions.sh'), 'utf8');
  const script = `set -e\nroot=${root}\n${functions}\nsystemd_runs() { true; }\nrestart_updated`;
  const { stderr } = await run('sh', ['-c', script], {
    env: { PATH: `${folder}:${process.env.PATH}` },
  });
  return { asked: readFileSync(log, 'utf8').trim().split('\n'), stderr };
}

t.test(
  'an update starts what ran or has failed, and a daemon that does not start fails no update',
  async (t) => {
    const restart = 'restart tsbridge.service';
    t.match((await restarted({})).asked.at(-1), restart, 'it runs');
    t.match((await restarted({ 'is-active': 3 })).asked.at(-1), restart, 'it has failed');
    const stopped = await restarted({ 'is-active': 3, 'is-failed': 1 });
    t.notOk(stopped.asked.includes(restart), 'an administrator has stopped it');
    t.match((await restarted({ restart: 1 })).stderr, /does not start; networks and ports stay/);
    const beside = makeTarget();
    put(beside, unit, '[Service]\nExecStart=/usr/local/lib/tsbridge/bin/node main.js daemon\n');
    t.strictSame(
      (await restarted({}, beside)).asked,
      ['daemon-reload'],
      'the service of another installation is not restarted',
    );
  },
);

t.test(
  'the RPM has the functions in each of its scripts, without a percent sign that rpm would take for a macro',
  async (t) => {
    const spec = rpmScripts(repository).join('\n');
    t.equal(spec.split('refuse_with_networks() {').length - 1, 5);
    t.notMatch(spec.replaceAll('%%', ''), /%(?!(pre|post)(un|trans)?\n)/);
  },
);
