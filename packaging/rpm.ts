/** The RPM: the staged files as they are, and scripts that are careful with networks. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from './architectures.js';
import type { Release } from './release.js';
import { type Effort, run } from './run.js';
import { rpmScripts } from './scripts.js';
import { unitNames } from './stage.js';

/** @returns the path of the package */
export async function buildRpm(
  release: Release,
  { rpm }: Architecture,
  stage: string,
  out: string,
  effort: Effort,
): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), 'tsbridge-rpm-'));
  try {
    const spec = join(work, 'tsbridge.spec');
    writeFileSync(spec, specFile(release, stage));
    mkdirSync(join(work, 'RPMS'));
    const define = (name: string, value: string) => ['--define', `${name} ${value}`];
    await run(
      'rpmbuild',
      [
        ...['-bb', '--target', `${rpm}-linux`, spec],
        ...define('_topdir', work),
        // Otherwise rpm makes one in the home folder.
        ...define('_dbpath', join(work, 'db')),
        // Equal bytes from equal sources, whatever machine builds them.
        ...define('_buildhost', 'localhost'),
        ...define('use_source_date_epoch_as_buildtime', '1'),
        ...define('clamp_mtime_to_source_date_epoch', '1'),
        ...define('_binary_payload', effort === 'small' ? 'w19.zstdio' : 'w1.gzdio'),
        ...define('_build_id_links', 'none'),
      ],
      { env: { SOURCE_DATE_EPOCH: String(release.epoch) } },
    );
    const folder = join(work, 'RPMS', rpm);
    const [file] = readdirSync(folder);
    if (file === undefined) throw new Error('rpmbuild made no package');
    await run('cp', [join(folder, file), join(out, file)]);
    return join(out, file);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function specFile({ root, version, epoch }: Release, stage: string): string {
  return [
    'Name: tsbridge',
    `Version: ${version}`,
    'Release: 1',
    'Summary: Bridge networks for Docker, fast and self-repairing',
    'License: Apache-2.0',
    // By name, since the runtime and the libraries are those of their own releases.
    'AutoReqProv: no',
    'Requires: iptables',
    'Requires: (iproute or iproute2)',
    'Requires: nftables',
    'Requires: libc.so.6(GLIBC_2.28)(64bit)',
    'Requires: libstdc++.so.6()(64bit)',
    '%global debug_package %{nil}',
    '%global __os_install_post %{nil}',
    '%description',
    'A network driver for Docker that makes what the engine makes itself: the same bridges, veth pairs,',
    'iptables chains and port mappings.',
    'Networks take it by name: docker network create -d tsbridge app',
    '%install',
    // Quoted, since the clone's folder may have a space in its name.
    `cp -a '${stage}/.' %{buildroot}/`,
    'rm -rf %{buildroot}/DEBIAN %{buildroot}/usr/share/lintian',
    // Debian has a folder of its own for completions of packages.
    'mv %{buildroot}/usr/share/zsh/vendor-completions %{buildroot}/usr/share/zsh/site-functions',
    ...rpmScripts(root),
    '%files',
    '%config(noreplace) /etc/default/tsbridge',
    '/usr/bin/tsbridge',
    '/usr/lib/tsbridge',
    ...unitNames.map((unit) => `/usr/lib/systemd/system/${unit}`),
    '/usr/lib/modules-load.d/tsbridge.conf',
    // Folders of programs that the host may not have; the others belong to `filesystem` and systemd.
    ...['/usr/lib/NetworkManager', '/usr/lib/NetworkManager/conf.d'].map((path) => `%dir ${path}`),
    ...['bash-completion', 'bash-completion/completions', 'zsh', 'zsh/site-functions']
      .concat('fish', 'fish/vendor_completions.d')
      .map((path) => `%dir /usr/share/${path}`),
    '/usr/lib/NetworkManager/conf.d/90-tsbridge.conf',
    '/usr/lib/systemd/network/05-tsbridge-bridges.network',
    '/usr/lib/systemd/network/05-tsbridge-veths.network',
    '/usr/share/bash-completion/completions/tsbridge',
    '/usr/share/zsh/site-functions/_tsbridge',
    '/usr/share/fish/vendor_completions.d/tsbridge.fish',
    '/usr/share/doc/tsbridge',
    '/usr/share/tsbridge',
    '/usr/share/man/man5/tsbridge.json.5.gz',
    '/usr/share/man/man8/tsbridge.8.gz',
    '%changelog',
    `* ${rpmDate(epoch)} tsbridge maintainers - ${version}-1`,
    '- See CHANGELOG.md of this version.',
    '',
  ].join('\n');
}

/** `Thu Nov 26 2026` */
function rpmDate(epoch: number): string {
  return new Date(epoch * 1000)
    .toUTCString()
    .replace(/^(\w+), (\d+) (\w+) (\d+).*$/, '$1 $3 $2 $4');
}
