/** `tsbridge find THING`: what an interface, an address, a port, a name or an id belongs to. */
import { parseIp, parseMac } from '../../../../core/address.js';
import type { InventoryEndpoint } from '../../../../operator/inventory/inventory.js';
import { reportCommand } from '../../../define.js';
import { openInventory } from '../../../inventory/open.js';
import type { InventoryView } from '../../../inventory/view.js';
import { joined, plain } from '../../../output/fit.js';
import { columns } from '../../../output/lines.js';
import type { FoundItem } from '../../../schemas/inventory.js';
import { required } from '../../../table/entry.js';
import { text } from '../../../table/kinds.js';
import { beginsId, bytesText, containerText } from '../../labels.js';

export const findCommand = reportCommand({
  name: 'find',
  summary: 'what an interface, an address, a port, a name or an id belongs to',
  about: [
    'THING is an interface of the host (veth8a1f20c, br-51e0a1b2c3d4), an address or MAC address of a container, a host ' +
      'port, the name of a container or a network, or the first four or more digits of an id. Everything that is known ' +
      'of it is shown.',
  ],
  words: {
    thing: required(
      text('an interface, an address, a port, a name or an id', 'THING', 'thing'),
      'an interface, an address, a port, a name or the beginning of an id',
      'find which THING? An interface, an address, a port, a name or an id',
    ),
  },
  flags: {},
  names: true,
  examples: [
    { line: 'tsbridge find veth8a1f20c', does: 'whose interface it is' },
    { line: 'tsbridge find 8080', does: 'who publishes host port 8080' },
  ],
  exits: {
    ok: 'found',
    failed: 'neither the daemon nor its records could be read',
    usage: 'wrong command line',
    differs: 'nothing here is called so',
  },
  schema: 'find',
  async ask(call) {
    const { view, head } = await openInventory(call, { inside: true, counters: true });
    return { ...head, items: findAll(view, call.words.thing) };
  },
  show: ({ items }, { words, paint }) =>
    items.length === 0
      ? plain`nothing here is called ${JSON.stringify(words.thing)}\n`
      : joined(
          items.map((item, index) =>
            joined([
              ...(index === 0 ? [] : [plain`\n`]),
              plain`${paint('bold', titleOf(item))}\n`,
              columns(rowsOf(item)),
            ]),
          ),
        ),
  exit: ({ items }) => (items.length > 0 ? 'ok' : 'differs'),
});

type Match = FoundItem['matches'];

function findAll(view: InventoryView, thing: string): FoundItem[] {
  const endpoints = view.endpoints().flatMap((endpoint): FoundItem[] => {
    const matches = matchOf(view, endpoint, thing);
    const network = view.networkOf(endpoint);
    if (matches === undefined || network === undefined) return [];
    const ports = view.ports([endpoint]);
    const shown =
      matches === 'port' ? ports.filter(({ host }) => host.port === Number(thing)) : ports;
    const item = view.endpointItem(endpoint);
    return [{ matches, network: view.networkItem(network), endpoint: item, ports: shown }];
  });
  const networks = view.networks().flatMap((network): FoundItem[] => {
    const { id, name, bridge } = network;
    const matches = bridge === thing ? 'bridge' : 'network';
    const fits = name === thing || bridge === thing || beginsId(id, thing);
    return fits ? [{ matches, network, endpoint: null, ports: [] }] : [];
  });
  return [...networks, ...endpoints];
}

function matchOf(
  { names }: InventoryView,
  { id, veth, mac, ipv4, ipv6, ports }: InventoryEndpoint,
  thing: string,
): Match | undefined {
  const container = names.containerOf(id);
  if (container?.name === thing || beginsId(container?.id, thing)) return 'container';
  if (veth === thing) return 'interface';
  if (beginsId(id, thing)) return 'endpoint';
  const address = parseIp(thing);
  if (address !== undefined) {
    const own = [ipv4, ipv6].some((each) => each?.split('/')[0] === address);
    return own ? 'address' : undefined;
  }
  if (parseMac(thing.toLowerCase()) === mac) return 'mac';
  const port = /^\d{1,5}$/.test(thing) ? Number(thing) : undefined;
  return ports.some(({ hostPort }) => hostPort === port) ? 'port' : undefined;
}

/** One row for each value. Only the first row has the title. */
const several = (title: string, values: readonly string[]): [string, string][] =>
  values.map((value, index) => [index === 0 ? title : '', value]);

function titleOf({ endpoint, network }: FoundItem): string {
  const name = network.name ?? network.id.slice(0, 12);
  return endpoint === null ? `network ${name}` : `${containerText(endpoint)} on network ${name}`;
}

function rowsOf({ network, endpoint, ports }: FoundItem): [string, string][] {
  const ofNetwork: [string, string][] = [
    ['network', `${network.name ?? '(no name known)'} ${network.id}`],
    ['bridge', `${network.bridge}, MTU ${network.mtu ?? 1500}`],
    ['subnets', network.subnets.join(', ') || 'none'],
  ];
  if (endpoint === null) {
    return [
      ...ofNetwork,
      ['internal', String(network.internal)],
      ['endpoints', String(network.endpoints)],
    ];
  }
  const { container, received, sent, veth, inside, mac, addresses, state } = endpoint;
  const traffic =
    received === null || sent === null
      ? 'not known'
      : `received ${bytesText(received.bytes)} in ${received.packets} packets, sent ` +
        `${bytesText(sent.bytes)} in ${sent.packets}`;
  const compose =
    container?.compose === undefined
      ? []
      : ([
          ['compose', `${container.compose.project}, service ${container.compose.service}`],
        ] as const);
  return [
    ['container', container === null ? '(no name known)' : `${container.name} ${container.id}`],
    ...compose.map(([name, value]): [string, string] => [name, value]),
    ...ofNetwork,
    ['endpoint', `${endpoint.endpoint}, ${state}`],
    ['addresses', addresses.join(', ') || 'none'],
    ['MAC address', mac],
    ['interfaces', `${veth} on the host, ${inside ?? '(not known)'} in the container`],
    ...several('routes inside', endpoint.routes.inside),
    ...several('routes to it', endpoint.routes.host),
    ...several('answered on', endpoint.answeredOn === null ? [] : [endpoint.answeredOn]),
    ['traffic', traffic],
    ...ports.map(({ host, protocol, to, path, listening }, index): [string, string] => [
      index === 0 ? 'ports' : '',
      `${host.address.includes(':') ? `[${host.address}]` : host.address}:${host.port}/${protocol} -> :${to.port}, ` +
        `by ${path}, ${listening.state === 'unknown' ? 'listener not known' : `listens: ${listening.state}`}`,
    ]),
  ];
}
