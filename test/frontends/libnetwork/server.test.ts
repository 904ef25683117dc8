/** What each method leads to, and how it is answered and logged. */
import t from 'tap';
import { parseCidr } from '../../../src/core/address.js';
import { DriverError } from '../../../src/core/errors.js';
import { endpointId, networkId } from '../../fakes/inputs.js';
import { ids, setUp, vendorType } from '../../fakes/posted-requests.js';

t.test('Activate and GetCapabilities are answered without a body', async (t) => {
  const { post, driver } = setUp();
  t.strictSame(await post('Plugin.Activate'), {
    status: 200,
    type: vendorType,
    json: { Implements: ['NetworkDriver'] },
  });
  t.strictSame((await post('NetworkDriver.GetCapabilities')).json, {
    Scope: 'local',
    ConnectivityScope: 'local',
    GwAllocChecker: true,
  });
  t.strictSame(driver.calls, []);
  t.equal(driver.greetings, 1, 'only the first word tells of a new engine');
});

t.test('every method of the protocol leads to its use case', async (t) => {
  const { post, driver } = setUp();
  const call = async (method: string, body: unknown) =>
    (await post(`NetworkDriver.${method}`, body)).json;
  const generic = { 'com.docker.network.generic': {} };
  const network = {
    NetworkID: networkId,
    Options: generic,
    IPv4Data: [
      {
        AddressSpace: 'LocalDefault',
        Pool: '10.5.0.0/24',
        Gateway: '10.5.0.1/24',
        AuxAddresses: { a: '10.5.0.9/24' },
      },
    ],
    IPv6Data: [{ Pool: 'fd00::/64', AuxAddresses: null }],
  };
  t.strictSame(await call('CreateNetwork', network), {});
  t.strictSame(
    await call('CreateNetwork', { NetworkID: networkId, Options: null, IPv6Data: null }),
    {},
  );
  t.strictSame(await call('DeleteNetwork', { NetworkID: networkId }), {});
  const iface = { Address: '10.5.0.2/24', AddressIPv6: 'fd00::2/64', MacAddress: '' };
  t.strictSame(await call('CreateEndpoint', { ...ids, Interface: iface, Options: generic }), {
    Interface: { MacAddress: '02:42:0a:05:00:02' },
  });
  t.strictSame(
    await call('CreateEndpoint', { ...ids, Interface: { MacAddress: '02:42:0a:05:00:03' } }),
    {},
  );
  t.strictSame(await call('CreateEndpoint', { ...ids, Interface: null }), {
    Interface: { MacAddress: '02:42:0a:05:00:02' },
  });
  t.strictSame(await call('EndpointOperInfo', ids), {
    Value: {
      'com.docker.network.endpoint.macaddress': '02:42:0a:05:00:02',
      'com.docker.network.endpoint.exposedports': [{ Proto: 6, Port: 80 }],
      'com.docker.network.portmap': [
        {
          ...{ Proto: 6, IP: '10.5.0.2', Port: 80 },
          ...{ HostIP: '0.0.0.0', HostPort: 8080, HostPortEnd: 8080 },
        },
        { Proto: 17, IP: 'fd00::2', Port: 53, HostIP: '', HostPort: 0, HostPortEnd: 0 },
      ],
      'tsbridge.veth': 'veth7654321',
    },
  });
  t.strictSame(await call('Join', { ...ids, SandboxKey: '/var/run/docker/netns/1', Options: {} }), {
    InterfaceName: { SrcName: 'veth1234567', DstPrefix: 'eth' },
    Gateway: '10.5.0.1',
  });
  t.strictSame(await call('Join', ids), {
    InterfaceName: { SrcName: 'veth1234567', DstPrefix: 'eth' },
    Gateway: '10.5.0.1',
  });
  t.strictSame(await call('ProgramExternalConnectivity', { ...ids, Options: { a: 1 } }), {});
  t.strictSame(await call('ProgramExternalConnectivity', ids), {});
  t.strictSame(await call('RevokeExternalConnectivity', ids), {});
  t.strictSame(await call('Leave', ids), {});
  t.strictSame(await call('DeleteEndpoint', ids), {});

  const both = { networkId, endpointId };
  const noPorts = { requests: [], exposed: [], noProxy6To4: false };
  const bare = { ...both, address: '', addressIpv6: '', options: {} };
  const pool = {
    addressSpace: 'LocalDefault',
    pool: '10.5.0.0/24',
    gateway: '10.5.0.1/24',
    auxAddresses: { a: '10.5.0.9/24' },
  };
  t.strictSame(
    driver.calls.map(({ name, arguments: args }) => [name, ...args]),
    [
      [
        'createNetwork',
        { networkId, options: generic, ipv4Data: [pool], ipv6Data: [{ pool: 'fd00::/64' }] },
      ],
      ['createNetwork', { networkId, options: {}, ipv4Data: [], ipv6Data: [] }],
      ['deleteNetwork', networkId],
      [
        'createEndpoint',
        { ...both, address: '10.5.0.2/24', addressIpv6: 'fd00::2/64', mac: '', options: generic },
      ],
      ['createEndpoint', { ...bare, mac: '02:42:0a:05:00:03' }],
      ['createEndpoint', { ...bare, mac: '' }],
      ['endpointInfo', both],
      ['join', both, '/var/run/docker/netns/1', noPorts],
      ['join', both, '', noPorts],
      ['publishPorts', both, noPorts],
      ['publishPorts', both, noPorts],
      ['revokePorts', both],
      ['leave', both],
      ['deleteEndpoint', both],
    ],
  );
});

t.test('what the engine sends to other kinds of drivers is accepted', async (t) => {
  const { post, driver } = setUp();
  for (const method of ['DiscoverNew', 'DiscoverDelete', 'FreeNetwork']) {
    t.strictSame(
      (await post(`NetworkDriver.${method}`, { DiscoveryType: 1, DiscoveryData: {} })).json,
      {},
    );
  }
  t.strictSame((await post('NetworkDriver.AllocateNetwork', { NetworkID: networkId })).json, {
    Options: {},
  });
  t.strictSame(driver.calls, []);
});

t.test('the plugin socket answers GwAllocCheck', async (t) => {
  const { post } = setUp();
  const check = async (Options: unknown) =>
    (await post('NetworkDriver.GwAllocCheck', { Options })).json;
  t.strictSame(await check(null), { SkipIPv4: false, SkipIPv6: false });
  const generic = { 'com.docker.network.bridge.gateway_mode_ipv4': 'isolated' };
  const internal = { 'com.docker.network.internal': true };
  t.strictSame(await check({ 'com.docker.network.generic': generic, ...internal }), {
    SkipIPv4: true,
    SkipIPv6: false,
  });
  t.match(await check({ 'com.docker.network.generic': generic }), { Err: /isolated.*--internal/ });
});

t.test('the answer to Join has the IPv6 gateway', async (t) => {
  const { post } = setUp(() => ({ interface: 'v', prefix: 'lan', gatewayIpv6: 'fd00::1' }));
  t.strictSame((await post('NetworkDriver.Join', ids)).json, {
    InterfaceName: { SrcName: 'v', DstPrefix: 'lan' },
    GatewayIPv6: 'fd00::1',
  });
});

t.test('the answer to Join of a network without a way out says so', async (t) => {
  const { post } = setUp(() => ({ interface: 'v', prefix: 'eth', withoutGateway: true }));
  t.strictSame((await post('NetworkDriver.Join', ids)).json, {
    InterfaceName: { SrcName: 'v', DstPrefix: 'eth' },
    DisableGatewayService: true,
  });
});

t.test('the answer to Join has the routes that the engine adds', async (t) => {
  const routes = [
    { destination: parseCidr('10.9.0.0/24'), via: '10.5.0.9' },
    { destination: parseCidr('10.8.0.0/24') },
  ];
  const { post } = setUp(() => ({ interface: 'v', prefix: 'eth', routes }));
  t.strictSame((await post('NetworkDriver.Join', ids)).json, {
    InterfaceName: { SrcName: 'v', DstPrefix: 'eth' },
    StaticRoutes: [
      { Destination: '10.9.0.0/24', RouteType: 0, NextHop: '10.5.0.9' },
      { Destination: '10.8.0.0/24', RouteType: 1 },
    ],
  });
});

t.test('a method that does not exist is answered with 404', async (t) => {
  const { post, app, log } = setUp();
  const { status, json } = await post('NetworkDriver.Nonsense', {});
  t.equal(status, 404);
  t.strictSame(json, { Err: 'NetworkDriver.Nonsense is not a method of this driver' });
  const get = await app.inject({ method: 'GET', url: '/Plugin.Activate' });
  t.equal(get.statusCode, 404);
  t.match(get.json(), { Err: /^GET Plugin\.Activate is not/ });
  const bad = await app.inject({ method: 'POST', url: '/%zz' });
  t.equal(bad.statusCode, 400);
  t.match(bad.json(), { Err: /not understood/ });
  t.equal(log.lines.length, 3, 'one log line each');
});

t.test('an error of the driver becomes the text that the user reads', async (t) => {
  const failures: readonly [unknown, number, RegExp][] = [
    [
      new DriverError('port-allocated', 'Bind for 0.0.0.0:80 failed'),
      200,
      /^Bind for 0\.0\.0\.0:80 failed$/,
    ],
    [
      new TypeError('x is undefined'),
      500,
      /^NetworkDriver\.Leave failed .*: x is undefined; its log/,
    ],
    [new Error(''), 500, /: no reason given;/],
    ['a string', 500, /: a string;/],
    [null, 500, /: null;/],
    [Object.assign(new Error('gone'), { statusCode: 404 }), 400, /gone/],
  ];
  for (const [error, expected, message] of failures) {
    const { post, log } = setUp(() => {
      throw error;
    });
    const { status, json } = await post('NetworkDriver.Leave', ids);
    t.equal(status, expected);
    t.match(json, { Err: message });
    t.match(log.lines, [{ level: 'warn', message: 'call', fields: { outcome: 'error' } }]);
  }
});

t.test('each call is one line in the log', async (t) => {
  const { post, log } = setUp();
  await post('NetworkDriver.Leave', ids);
  await post('Plugin.Activate');
  await post('NetworkDriver.Leave', '{');
  t.match(log.lines, [
    {
      level: 'info',
      message: 'call',
      fields: {
        method: 'NetworkDriver.Leave',
        network: networkId.slice(0, 12),
        endpoint: endpointId.slice(0, 12),
        durationMs: Number,
        outcome: 'ok',
      },
    },
    { level: 'info', fields: { method: 'Plugin.Activate', outcome: 'ok' } },
    {
      level: 'warn',
      fields: { method: 'NetworkDriver.Leave', outcome: 'error', error: DriverError },
    },
  ]);
  t.notOk('network' in (log.lines[1]?.fields ?? {}));
  t.equal(log.lines.length, 3);
});

t.test('a call is served whatever its content type', async (t) => {
  const { post } = setUp();
  for (const type of [
    vendorType,
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain',
  ]) {
    t.strictSame((await post('NetworkDriver.Leave', ids, { 'content-type': type })).json, {}, type);
  }
});
