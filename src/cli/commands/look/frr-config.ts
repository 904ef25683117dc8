/** `tsbridge frr-config bgp|ospf`: what an administrator adds to FRR's configuration. */
import { readFile } from 'node:fs/promises';
import { givenPools } from '../../../codec/engine-settings-file.js';
import { engineFilePath } from '../../../config/engine-settings.js';
import { cidrText } from '../../../core/address.js';
import { defaultDevices } from '../../../core/doctor/places.js';
import { frrConfig } from '../../../core/routing/frr-config.js';
import { protocols, readFrrRequest } from '../../../core/routing/request.js';
import { findEngines } from '../../../host/engine-process.js';
import { command } from '../../define.js';
import { fitLines, plain } from '../../output/fit.js';
import { optional, required, several } from '../../table/entry.js';
import { type Kind, text, words } from '../../table/kinds.js';
import { UsageError } from '../../table/parse.js';

const asNumber: Kind<number> = {
  accepts: 'a whole number from 1 to 4294967294',
  placeholder: 'N',
  parse: (given) => {
    const value = /^\d{1,10}$/.test(given) ? Number(given) : 0;
    return value >= 1 && value < 2 ** 32 - 1 ? value : undefined;
  },
};

const prefix = text('a network, e.g. 10.9.1.0/24', 'CIDR');

export const frrConfigCommand = command({
  name: 'frr-config',
  summary: 'what to add to FRR, so that other hosts learn the networks of this one',
  about: [
    'Prints it with a reason for each line, and does nothing else: FRR and its files are yours. Other hosts then have a route to a new network within ' +
      'half a second, and none to one that is removed (docs/hosts.md). tsbridge doctor says what is missing.',
    'Announced are subnets within the given ranges, addresses of containers with tsbridge.announce=addresses, and prefixes of tsbridge.host_routes within ' +
      '--host-routes. With bgp (unnumbered) each interface leads to one other router, with ospf to all hosts of a switch.',
  ],
  words: {
    protocol: required(
      words(protocols),
      'which of FRR’s daemons',
      'bgp (a router behind each link) or ospf (all hosts on one switch)?',
    ),
  },
  flags: {
    as: optional(asNumber, 'bgp: number of this host’s autonomous system, another on each host'),
    area: optional(text('a number or a dotted quad', 'AREA'), 'ospf: area; 0'),
    interface: several(
      text('the name of an interface', 'NAME'),
      'where other routers are; without it, where the default route leads',
    ),
    pool: several(
      prefix,
      'range that subnets of this host are taken from; without it, dockerd’s default-address-pools',
    ),
    'host-routes': several(
      prefix,
      'range of prefixes behind containers that others are to learn, too',
    ),
    'router-id': optional(
      text('an IPv4 address', 'ADDRESS'),
      'without it FRR takes one of the host’s addresses',
    ),
  },
  examples: [
    {
      line: 'tsbridge frr-config bgp --as 65001 --interface eth1 --interface eth2 --pool 10.9.1.0/24',
      does: 'two links to two routers, networks from 10.9.1.0/24',
    },
    {
      line: 'tsbridge frr-config ospf --interface eth0 --pool 10.9.1.0/24',
      does: 'hosts on one switch',
    },
  ],
  exits: {
    ok: 'printed',
    failed: 'the interfaces or dockerd’s settings could not be read',
    usage: 'something is missing or wrong; all of it is said',
  },
  async run({ words: { protocol }, flags }, terminal) {
    const { readLinks, readRoutes } = await import('../../../host/look/doctor/network.js');
    const given = flags.interface;
    const [links, interfaces, pools] = await Promise.all([
      readLinks(),
      given.length > 0 ? given : readRoutes().then((routes) => defaultDevices(routes, 4, 'main')),
      flags.pool.length > 0 ? flags.pool : poolsOfEngine(),
    ]);
    const request = readFrrRequest(
      {
        ...{ protocol, as: flags.as, area: flags.area },
        ...{ interfaces, pools, hostRoutes: flags['host-routes'], routerId: flags['router-id'] },
      },
      links.flatMap(({ name, addresses }) => addresses.map((cidr) => ({ device: name, cidr }))),
    );
    if (!('protocol' in request)) throw new UsageError(said(request));
    terminal.out(plain`${fitLines(frrConfig(request))}\n`);
    return 'ok';
  },
});

const said = (problems: readonly string[]): string =>
  problems.length === 1
    ? problems.join('')
    : `${problems.length} problems:${problems.map((each) => `\n  - ${each}`).join('')}`;

/**
 * The ranges that the administrator gave dockerd to take subnets from (default-address-pools). None if there is no such
 * setting: the ranges that dockerd has by itself are the same on every host, so they cannot be announced.
 */
async function poolsOfEngine(): Promise<readonly string[]> {
  const [engine] = await findEngines();
  const args = engine?.args ?? [];
  const file = await readFile(engineFilePath(args), 'utf8').catch(() => undefined);
  return givenPools(args, file).map(({ base }) => cidrText(base));
}
