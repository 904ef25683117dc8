/** The packages on bare hosts of both Debian releases: installed, updated, refused, removed, purged. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import t from 'tap';
import { type Architecture, architectures } from '../../packaging/architectures.js';
import { buildDeb } from '../../packaging/deb.js';
import { type Release, readRelease } from '../../packaging/release.js';
import { buildRpm } from '../../packaging/rpm.js';
import { stageFiles } from '../../packaging/stage.js';
import { BareHost, refusal } from '../lab/bare-host.js';

const folder = mkdtempSync(join(tmpdir(), 'tsbridge-packages-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const release = await readRelease();
const own = architectures.find(({ npm }) => npm === `linux-${process.arch}`);
const foreign = architectures.find((each) => each !== own);
if (own === undefined || foreign === undefined) throw new Error(`no package for ${process.arch}`);

async function packages(changed: Partial<Release>, architecture: Architecture) {
  const stage = join(folder, 'stage');
  const changedRelease = { ...release, ...changed };
  await stageFiles(changedRelease, own as Architecture, stage, join(folder, 'cache'));
  const rpm = await buildRpm(changedRelease, architecture, stage, folder, 'quick');
  return { rpm, deb: await buildDeb(changedRelease, architecture, stage, folder, 'quick') };
}
const older = await packages({ version: '0.0.9' }, own);
const current = await packages({}, own);
// Its files are those of this machine: only the name of the architecture counts here.
const other = await packages({}, foreign);

type Suite = Parameters<typeof BareHost.create>[0];

const network = '/var/lib/tsbridge/networks/0123456789abcdef.json';

async function bareHost(t: { teardown(end: () => Promise<void>): unknown }, suite: Suite) {
  const host = await BareHost.create(suite);
  t.teardown(() => host.dispose());
  for (const { deb } of [older, current, other]) await host.put(deb);
  return host;
}

const deb = ({ deb }: { deb: string }) => `/tmp/${basename(deb)}`;

for (const suite of ['bookworm', 'trixie'] as const) {
  t.test(`${suite}: a .deb is installed, updated, refuses to go, and is purged`, async (t) => {
    const host = await bareHost(t, suite);
    await t.rejects(host.sh('node --version'), 'the host has no Node.js of its own');
    const before = await host.files();

    await host.sh(`dpkg -i ${deb(older)}`);
    t.equal(await host.sh('tsbridge --version'), '0.0.9\n');
    t.match(await host.sh('tsbridge daemon --help'), '--userland-proxy');
    await host.sh('mkdir -p /etc/tsbridge; echo {} >/etc/tsbridge/config.json');
    await host.sh('echo TSBRIDGE_LOG_LEVEL=debug >/etc/default/tsbridge');

    await host.sh(`dpkg --force-confdef -i ${deb(current)}`);
    t.equal(await host.sh('tsbridge --version'), `${release.version}\n`);
    const settings = await host.sh('cat /etc/default/tsbridge /etc/tsbridge/config.json');
    t.equal(settings, 'TSBRIDGE_LOG_LEVEL=debug\n{}\n', 'settings outlast an update');
    t.equal(await host.sh('dpkg --verify tsbridge'), '??5?????? c /etc/default/tsbridge\n');

    await host.sh(`mkdir -p ${network.replace(/[^/]*$/, '')}; echo {} >${network}`);
    const said = await refusal(host.sh('dpkg -r tsbridge'));
    t.match(said, 'since 1 network of this driver would be left');
    t.match(said, 'docker network rm NAME');
    t.equal(await host.sh('tsbridge --version'), `${release.version}\n`, 'all is still there');
    t.match(await host.sh('dpkg -s tsbridge'), /^Status: \S+ ok installed$/m);

    await host.sh(`rm ${network}`);
    await host.sh('dpkg -r tsbridge');
    await t.rejects(host.sh('tsbridge --version'));
    await host.sh('test -e /etc/tsbridge/config.json -a -e /etc/default/tsbridge');
    await host.sh(`mkdir -p ${network.replace(/[^/]*$/, '')}; echo {} >${network}`);
    t.match(await host.sh('dpkg -P tsbridge 2>&1'), 'of another installation');
    await host.sh(`test -e ${network}; rm -r /var/lib/tsbridge /etc/tsbridge`);

    await host.sh(`dpkg -i ${deb(current)}; mkdir -p /var/lib/tsbridge /etc/tsbridge`);
    await host.sh('echo {} >/etc/tsbridge/config.json; dpkg -P tsbridge');
    t.strictSame(await host.files(), before, 'a purge leaves nothing');
  });
}

t.test('a .deb is refused beside an installation from a clone, and changes nothing', async (t) => {
  const host = await bareHost(t, 'bookworm');
  const unit = '/etc/systemd/system/tsbridge.service';
  await host.sh(
    `mkdir -p /etc/systemd/system; echo ExecStart=/usr/local/lib/tsbridge/bin/node >${unit}`,
  );
  const before = await host.files();
  const said = await refusal(host.sh(`dpkg -i ${deb(current)}`));
  t.match(said, /Remove that one first:\n {2}scripts\/install --uninstall --force/);
  t.strictSame(await host.files(), before);
  // A unit in /etc with which an administrator replaces the packaged one is no other installation.
  const changed = 'ExecStart=/usr/lib/tsbridge/bin/node /usr/lib/tsbridge/dist/main.js daemon';
  await host.sh(`echo ${changed} >${unit}; dpkg -i ${deb(current)}`);
});

t.test('a package for another architecture is refused by name', async (t) => {
  const host = await bareHost(t, 'bookworm');
  const said = await refusal(host.sh(`dpkg -i ${deb(other)}`));
  t.match(said, `package architecture (${foreign.name}) does not match system (${own.name})`);
  t.match(await refusal(host.rpm('--nodeps', '-i', other.rpm)), 'different architecture');
});

t.test('the packaged command says in a sentence that a host has no glibc', async (t) => {
  const host = await bareHost(t, 'trixie');
  await host.sh(`dpkg -i ${deb(current)}`);
  // What there is without glibc (busybox is linked with nothing) is all that such a host has.
  const bare =
    'mkdir -p /tmp/b/bin; cp /usr/bin/busybox /tmp/b/bin; cp -a --parents /usr/lib/tsbridge /tmp/b';
  const links = 'for c in sh dirname readlink echo; do ln -s busybox /tmp/b/bin/$c; done';
  const command = 'chroot /tmp/b /usr/lib/tsbridge/bin/tsbridge --version';
  const said = await refusal(host.sh(`${bare}; ${links}; ${command} 2>&1`));
  const found = `tsbridge: this build runs on Linux on ${own.rpm} with glibc`;
  t.equal(said, `${found}, and there is no ${own.loader} here\n`);
});

t.test('an .rpm is installed, verified, updated, refuses to go, and is erased', async (t) => {
  const host = await bareHost(t, 'bookworm');
  const before = await host.files();
  // Debian's packages are not in rpm's database.
  await host.rpm('--nodeps', '-i', older.rpm);
  t.equal(await host.sh('tsbridge --version'), '0.0.9\n');
  await host.sh('echo TSBRIDGE_LOG_LEVEL=debug >/etc/default/tsbridge');
  await host.rpm('--nodeps', '-U', current.rpm);
  t.equal(await host.sh('tsbridge --version'), `${release.version}\n`);
  t.match(
    await refusal(host.rpm('--nodeps', '-V', 'tsbridge')),
    /^S?\S*5\S* +c \/etc\/default\/tsbridge\n$/,
  );

  await host.sh(`mkdir -p ${network.replace(/[^/]*$/, '')}; echo {} >${network}`);
  t.match(
    await refusal(host.rpm('-e', 'tsbridge')),
    'since 1 network of this driver would be left',
  );
  t.equal(await host.sh('tsbridge --version'), `${release.version}\n`, 'all is still there');
  await host.sh('rm -r /var/lib/tsbridge');
  await host.rpm('-e', 'tsbridge');
  await t.rejects(host.sh('tsbridge --version'));
  // As rpm does with settings that were changed.
  await host.sh('rm /etc/default/tsbridge.rpmsave');
  // On Debian's root no package of rpm's owns these.
  const others =
    /^\/usr\/(lib\/(modules-load\.d|systemd\/network)|share\/(doc|man|man\/man[58])) d/;
  const after = (await host.files()).filter((line) => before.includes(line) || !others.test(line));
  t.strictSame(after, before);
});
