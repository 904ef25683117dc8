/** Checks of settings of the kernel without which networks do not work. */
import type { Family } from '../../address.js';
import { familyIn, isManaged } from '../../network/network.js';
import { check, shell, wholeHost } from '../check.js';
import type { FactParts, Records } from '../facts.js';
import { outerDevices } from '../places.js';

export const forwardingSettings: Readonly<Record<Family, string>> = {
  4: 'net/ipv4/ip_forward',
  6: 'net/ipv6/conf/all/forwarding',
};

/**
 * A path as sysctl(8) takes it: `net.ipv4.ip_forward`. With slashes if an interface's name has a dot, as sysctl(8)
 * wants it then.
 */
const dotted = (path: string): string => (path.includes('.') ? path : path.replaceAll('/', '.'));

const reaching = (records: Records, family: Family) =>
  records.networks.filter(
    // Nothing of a network on the LAN needs this host to pass it on.
    ({ spec }) => familyIn(spec, family) !== undefined && !spec.internal && isManaged(spec),
  );

function forwardingOff(
  { records, settings, settingLines }: Pick<FactParts, 'records' | 'settings' | 'settingLines'>,
  family: Family,
) {
  const path = forwardingSettings[family];
  const networks = reaching(records, family);
  if (settings.get(path) !== '0' || networks.length === 0) return [];
  const lines = settingLines.filter((line) => line.path === path && line.value === '0');
  const by = lines.map(({ file }) => `; ${file} sets it at every start`).join('');
  const evidence = `${dotted(path)} = 0, with ${networks.length} networks of IPv${family}${by}`;
  return [{ object: wholeHost, evidence, command: shell`sysctl -w ${`${dotted(path)}=1`}` }];
}

const lostWithoutForwarding = ['packets-lost', 'drift', 'degraded'];

export const settingChecks = [
  check({
    code: 'ip-forward-off',
    severity: 'error',
    detects:
      'The setting net.ipv4.ip_forward is 0 while there is a network of IPv4 that is not internal.',
    means:
      'The host passes nothing on: no container reaches the outside, and no published port answers others.',
    remedy:
      'The command switches forwarding on until the next start. If the finding names a file of sysctl.d that sets it to 0, ' +
      'change it there, or it comes back.',
    hides: lostWithoutForwarding,
    needs: ['records', 'settings', 'settingLines'],
    find: (facts) => forwardingOff(facts, 4),
  }),
  check({
    code: 'ipv6-forward-off',
    severity: 'error',
    detects:
      'The setting net.ipv6.conf.all.forwarding is 0 while there is a network of IPv6 that is not internal.',
    means: 'No container reaches anything outside by IPv6, and nobody reaches a container by it.',
    remedy:
      'The command switches it on. A host that learns its own default route by router advertisements needs accept_ra=2 first: ' +
      'see accept-ra-with-forwarding.',
    hides: ['degraded'],
    needs: ['records', 'settings', 'settingLines'],
    find: (facts) => forwardingOff(facts, 6),
  }),
  check({
    code: 'accept-ra-with-forwarding',
    severity: 'error',
    detects:
      'IPv6 is forwarded, the default route was learned by router advertisements, and accept_ra of its interface is 1.',
    means:
      'The kernel takes no advertisements from now on: the route of the host itself goes when its lifetime ends.',
    remedy: 'With 2, advertisements are taken although the host forwards.',
    needs: ['settings', 'routes'],
    find({ settings, routes }) {
      if (settings.get(forwardingSettings[6]) === '0') return [];
      const learned = routes.filter(
        ({ family, destination, protocol }) =>
          family === 6 && destination === undefined && protocol === 'ra',
      );
      return [...new Set(learned.map(({ device }) => device))].flatMap((device) => {
        const path = `net/ipv6/conf/${device}/accept_ra`;
        if (settings.get(path) !== '1') return [];
        const evidence = `${dotted(path)} = 1, and the default route by ${device} is of protocol ra`;
        return [{ object: device, evidence, command: shell`sysctl -w ${`${dotted(path)}=2`}` }];
      });
    },
  }),
  check({
    code: 'rp-filter-strict',
    severity: 'warning',
    detects:
      'The host has default routes, or routes of a routing daemon, by several interfaces, and the strict reverse path filter (1) is on for one of them.',
    means:
      'Packets that come by one way and whose answers would leave by the other are dropped before any rule sees them.',
    remedy: 'With 2 the source only has to be reachable by any interface.',
    needs: ['settings', 'routes'],
    find({ settings, routes }) {
      const devices = outerDevices(routes);
      if (devices.length < 2) return [];
      const all = Number(settings.get('net/ipv4/conf/all/rp_filter') ?? 0);
      return devices.flatMap((device) => {
        const path = `net/ipv4/conf/${device}/rp_filter`;
        // The kernel applies the higher one of `all` and the interface's own.
        if (Math.max(all, Number(settings.get(path) ?? 0)) !== 1) return [];
        const evidence = `rp_filter is 1 on ${device}; packets come and go by ${devices.join(', ')}`;
        return [{ object: device, evidence, command: shell`sysctl -w ${`${dotted(path)}=2`}` }];
      });
    },
  }),
  check({
    code: 'bridge-nf-call-off',
    severity: 'error',
    detects:
      'A network forbids its containers to talk to each other (icc=false), and frames of bridges do not pass iptables.',
    means: 'The containers of the network reach each other all the same.',
    remedy:
      'The command hands frames of bridges to iptables. If the setting is not there, the module br_netfilter is not loaded.',
    needs: ['records', 'settings', 'own'],
    find({ records, settings, own }) {
      return records.networks.flatMap(({ spec, name }) => {
        if (spec.icc) return [];
        return ([4, 6] as const).flatMap((family) => {
          const path = `net/bridge/bridge-nf-call-${family === 4 ? 'iptables' : 'ip6tables'}`;
          const value = settings.get(path);
          if (!own.writesRules[family] || familyIn(spec, family) === undefined || value === '1')
            return [];
          const isLoaded = value !== undefined;
          const command = isLoaded ? `sysctl -w ${dotted(path)}=1` : 'modprobe br_netfilter';
          const evidence = `${dotted(path)} ${isLoaded ? `= ${value}` : 'is not there'}, and ${name} has icc=false`;
          return [{ object: name, evidence, command }];
        });
      });
    },
  }),
];
