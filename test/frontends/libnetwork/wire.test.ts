/**
 * Replay of every request that four real engines sent during a scripted tour: each becomes the
 * right call with the right values, and the core understands all of them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { cidrText } from '../../../src/core/address.js';
import type { NetworkSpec } from '../../../src/core/network/network.js';
import { parseEndpoint } from '../../../src/core/options/endpoint-options.js';
import type { EndpointInput, NetworkInput } from '../../../src/core/options/input.js';
import { parseNetwork } from '../../../src/core/options/network-options.js';
import { type PublishRequest, parsePublish } from '../../../src/core/options/port-options.js';
import { createServer } from '../../../src/frontends/libnetwork/server.js';
import { RecordingDriver } from '../../fakes/recording-driver.js';
import { RecordingLog } from '../../fakes/recording-log.js';

const folder = new URL('../../fixtures/wire/', import.meta.url);

interface Request {
  readonly scenario: string;
  readonly url: string;
  readonly req: Readonly<Record<string, unknown>> | null;
}

/** `{"scenario","command"}` lines say what caused the requests that follow. */
function readTour(file: string): Request[] {
  let scenario = '';
  return readFileSync(new URL(file, folder), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const entry = JSON.parse(line) as Partial<Request>;
      if (entry.scenario !== undefined) scenario = entry.scenario;
      return entry.url === undefined ? [] : [{ scenario, url: entry.url, req: entry.req ?? null }];
    });
}

/** Which use case each method is, and the arguments that it must get of a body as captured. */
const expectedCalls: Readonly<Record<string, (body: Body) => readonly [string, ...unknown[]]>> = {
  CreateNetwork: (body) => [
    'createNetwork',
    {
      networkId: body.NetworkID,
      options: body.Options,
      ipv4Data: body.IPv4Data?.map(lowerKeys),
      ipv6Data: body.IPv6Data?.map(lowerKeys),
    },
  ],
  DeleteNetwork: (body) => ['deleteNetwork', body.NetworkID],
  CreateEndpoint: (body) => [
    'createEndpoint',
    {
      ...idsOf(body),
      address: body.Interface?.Address,
      addressIpv6: body.Interface?.AddressIPv6,
      mac: body.Interface?.MacAddress,
      options: body.Options,
    },
  ],
  EndpointOperInfo: (body) => ['endpointInfo', idsOf(body)],
  Join: (body) => [
    'join',
    idsOf(body),
    body.SandboxKey,
    parsePublish((body.Options ?? {}) as Record<string, unknown>),
  ],
  ProgramExternalConnectivity: (body) => [
    'publishPorts',
    idsOf(body),
    parsePublish((body.Options ?? {}) as Record<string, unknown>),
  ],
  RevokeExternalConnectivity: (body) => ['revokePorts', idsOf(body)],
  Leave: (body) => ['leave', idsOf(body)],
  DeleteEndpoint: (body) => ['deleteEndpoint', idsOf(body)],
};

interface Body {
  readonly NetworkID: string;
  readonly EndpointID?: string;
  readonly SandboxKey?: string;
  readonly Options?: Readonly<Record<string, unknown>>;
  readonly Interface?: Readonly<Record<string, string>>;
  readonly IPv4Data?: readonly Readonly<Record<string, unknown>>[];
  readonly IPv6Data?: readonly Readonly<Record<string, unknown>>[];
}

const idsOf = (body: Body) => ({ networkId: body.NetworkID, endpointId: body.EndpointID });
const lowerKeys = (pool: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(pool).map(([key, value]) => [key.charAt(0).toLowerCase() + key.slice(1), value]),
  );

/** What the tour's commands asked for, by scenario. */
const expectedNetworks: Readonly<Record<string, object>> = {
  'network-defaults': { icc: true, masquerade: true, internal: false, ipv6: undefined },
  'network-options': {
    bridge: 'brtest',
    icc: false,
    masquerade: false,
    hostBinding: '127.0.0.1',
    mtu: 1400,
    ipv4: { containerGateway: '172.40.0.1', subnet: { address: '172.40.0.0', prefixLength: 16 } },
  },
  'network-internal': { internal: true, ipv4: { containerGateway: undefined } },
  'network-ipv6': {
    ipv4: { subnet: { address: '172.41.0.0' } },
    ipv6: { subnet: { address: 'fd00:41::', prefixLength: 64 }, containerGateway: 'fd00:41::1' },
  },
};
const expectedPorts: Readonly<Record<string, readonly string[]>> = {
  'run-publish': [
    '127.0.0.1:5353-5353->53/udp',
    '8080-8080->80/tcp',
    '9000-9000->9000/tcp',
    '9001-9001->9001/tcp',
    '9002-9002->9002/tcp',
  ],
  'run-publish-all': ['any->53/udp', 'any->80/tcp'],
  'run-ipv6': ['8081-8081->80/tcp'],
};
const expectedMacs: Readonly<Record<string, string>> = { 'run-fixed-mac': '02:42:ac:28:05:aa' };
const expectedAddresses: Readonly<Record<string, string>> = {
  'run-fixed-address': '172.40.5.77/16',
  'connect-ip': '172.40.5.90/16',
};

for (const file of readdirSync(folder).filter((name) => name.endsWith('.jsonl'))) {
  t.test(file, async (t) => {
    const tour = readTour(file);
    const driver = new RecordingDriver();
    const log = new RecordingLog();
    const { app } = createServer({ driver, log, deadlineMs: 60_000 });
    const networks = new Map<string, NetworkSpec>();
    const checked = new Set<string>();
    for (const { scenario, url, req } of tour) {
      const before = driver.calls.length;
      const payload = req === null ? '' : `${JSON.stringify(req)}\n`;
      const response = await app.inject({ method: 'POST', url, payload });
      t.equal(response.statusCode, 200, `${scenario} ${url}`);
      t.notOk('Err' in response.json(), `${scenario} ${url}`);
      const expected = expectedCalls[url.replace('/NetworkDriver.', '')];
      if (expected === undefined) {
        t.equal(driver.calls.length, before, `${url} is answered without the driver`);
        continue;
      }
      const call = driver.calls[before];
      t.strictSame([call?.name, ...(call?.arguments ?? [])], expected(req as unknown as Body));
      if (call === undefined) continue;
      checked.add(call.name);
      if (call.name === 'createNetwork') {
        const { spec, warnings } = parseNetwork(call.arguments[0] as NetworkInput);
        networks.set(spec.id, spec);
        t.match(spec, expectedNetworks[scenario] ?? t.fail(`network in ${scenario}`));
        t.strictSame(warnings, []);
      } else if (call.name === 'createEndpoint') {
        const input = call.arguments[0] as EndpointInput;
        const network = networks.get(input.networkId);
        if (network === undefined) throw new Error(`endpoint on a network never made: ${url}`);
        const { spec, macGiven } = parseEndpoint(input, network);
        t.equal(spec.ipv4 && cidrText(spec.ipv4), input.address);
        t.equal(spec.ipv6 === undefined ? '' : cidrText(spec.ipv6), input.addressIpv6);
        t.equal(macGiven, input.mac !== '');
        const mac = expectedMacs[scenario];
        if (mac !== undefined) t.equal(spec.mac, mac);
        const address = expectedAddresses[scenario];
        if (address !== undefined) t.equal(input.address, address);
      } else if (call.name === 'publishPorts') {
        const { requests, exposed } = call.arguments[1] as PublishRequest;
        const ports = requests.map(({ hostIp, hostPorts, containerPort, protocol }) => {
          const host = hostPorts === undefined ? 'any' : `${hostPorts.first}-${hostPorts.last}`;
          const ip = hostIp === undefined ? '' : `${hostIp}:`;
          return `${ip}${host}->${containerPort}/${protocol}`;
        });
        const wanted = expectedPorts[scenario];
        if (wanted !== undefined) t.strictSame(ports.sort(), wanted);
        for (const { containerPort, protocol } of requests) {
          const isExposed = exposed.some(
            (each) => each.port === containerPort && each.protocol === protocol,
          );
          t.ok(isExposed, 'what is published is exposed too');
        }
      }
    }
    t.equal(log.lines.length, tour.length, 'one log line a request');
    t.strictSame([...checked].sort(), [...Object.values(expectedCalls)].map(callName).sort());
    t.equal(networks.size, 4);
  });
}

function callName(make: (body: Body) => readonly [string, ...unknown[]]): string {
  return make({ NetworkID: '' })[0];
}
