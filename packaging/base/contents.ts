/**
 * What the image and the plugin are made of besides tsbridge itself: packages of Debian, and of some of them
 * only a few files. Nothing is configured and no script of a package runs.
 */

/** The release of Debian that the packages are of. */
export const suite = 'trixie';

/** Package → which of its files, as the beginnings of paths; all if it says nothing. */
export const contents: Readonly<Record<string, readonly string[] | undefined>> = {
  // First, since it brings the links /bin, /lib and so on.
  'base-files': [
    'etc/os-release',
    'etc/debian_version',
    'usr/lib/os-release',
    'bin',
    'sbin',
    'lib',
  ],
  // The names of protocols and services, which iptables and ip look up.
  netbase: ['etc/protocols', 'etc/services', 'etc/ethertypes'],
  ...all('libc6 gcc-14-base libgcc-s1 libstdc++6 libatomic1'),
  ...all('iptables libxtables12 libip4tc2 libip6tc2 libmnl0 libnftnl11 libnetfilter-conntrack3'),
  ...all('libnfnetlink0'),
  ...all('nftables libnftables1 libjansson4 libedit2 libgmp10 libtinfo6 libbsd0 libmd0'),
  // The rest of it (ss and others) needs Kerberos and a database.
  iproute2: ['usr/bin/ip', 'usr/sbin/tc', 'usr/sbin/bridge', 'sbin/', 'bin/', 'usr/lib/', 'etc/'],
  ...all('libbpf1 libcap2 libelf1t64 libselinux1 libpcre2-8-0 zlib1g libzstd1'),
  // Only what starts the plugin without the powers that the engine gives every plugin.
  'util-linux': ['usr/bin/setpriv'],
  ...all('libcap-ng0'),
  // A shell for the command's first lines and for whoever looks inside.
  'busybox-static': ['usr/bin/busybox', 'bin/busybox'],
};

/** What programs of other packages than busybox there are by that program. */
export const busyboxPrograms = [
  'sh',
  'cat',
  'dirname',
  'env',
  'ls',
  'readlink',
  'sleep',
  'stat',
] as const;

function all(names: string): Record<string, undefined> {
  return Object.fromEntries(names.split(' ').map((name) => [name, undefined]));
}
