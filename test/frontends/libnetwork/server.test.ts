import fc from 'fast-check';
import t from 'tap';
import { DriverError } from '../../../src/core/errors.js';
import { routes } from '../../../src/frontends/libnetwork/routes.js';
import { createServer, type ServerSettings } from '../../../src/frontends/libnetwork/server.js';
import { endpointId, networkId } from '../../fakes/inputs.js';
import { type DriverCall, RecordingDriver } from '../../fakes/recording-driver.js';
import { RecordingLog } from '../../fakes/recording-log.js';

const ids = { NetworkID: networkId, EndpointID: endpointId };
const vendorType = 'application/vnd.docker.plugins.v1.2+json; charset=utf-8';

function setUp(behave?: (call: DriverCall) => unknown, settings: Partial<ServerSettings> = {}) {
  const driver = new RecordingDriver(behave);
  const log = new RecordingLog();
  const { app } = createServer({ driver, log, deadlineMs: 60_000, ...settings });
  const post = async (method: string, body?: unknown, headers: Record<string, string> = {}) => {
    const payload =
      typeof body === 'string' || body === undefined ? body : `${JSON.stringify(body)}\n`;
    const response = await app.inject({
      method: 'POST',
      url: `/${method}`,
      headers,
      ...(payload === undefined ? {} : { payload }),
    });
    return {
      status: response.statusCode,
      type: response.headers['content-type'],
      json: response.json(),
    };
  };
  return { driver, log, app, post };
}

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

t.test('a body is needed, except where it does not matter', async (t) => {
  const { post, driver } = setUp();
  for (const { method, schema } of routes) {
    for (const body of [undefined, '', ' \n']) {
      const { status, json } = await post(method, body);
      if (schema === undefined) {
        t.equal(status, 200, method);
        t.notOk('Err' in json, method);
      } else {
        t.equal(status, 400, method);
        t.match(
          json,
          { Err: /^the request has no body: .* repeated NetworkDriver\.\w+ after/ },
          method,
        );
      }
      t.strictSame(driver.calls, []);
    }
  }
});

t.test('a request that is not understood is refused, and changes nothing', async (t) => {
  const cases: readonly [string, unknown, RegExp][] = [
    ['Leave', '{', /^the body is not JSON: /],
    ['Leave', '[]', /^the request is not understood: body must be object/],
    ['Leave', 'null', /body must be object/],
    ['Leave', {}, /must have required property 'NetworkID'/],
    ['Leave', { NetworkID: networkId }, /must have required property 'EndpointID'/],
    ['Leave', { ...ids, NetworkID: 7 }, /body\/NetworkID must be string/],
    [
      'Leave',
      { ...ids, NetworkID: '../../etc' },
      /^NetworkID \.\.\/\.\.\/etc is not 64 lower-case/,
    ],
    ['Leave', { ...ids, EndpointID: networkId.toUpperCase() }, /^EndpointID A941\w+ is not 64/],
    ['Leave', { ...ids, EndpointID: `${endpointId}\n` }, /^EndpointID "8751\w+\\n" is not 64/],
    ['DeleteNetwork', { NetworkID: '' }, /^NetworkID "" is not 64/],
    ['Join', { ...ids, Options: [] }, /body\/Options must be object/],
    ['CreateNetwork', { ...ids, IPv4Data: {} }, /body\/IPv4Data must be array/],
    [
      'CreateNetwork',
      { ...ids, IPv4Data: [{ Pool: 1 }] },
      /body\/IPv4Data\/0\/Pool must be string/,
    ],
    [
      'CreateNetwork',
      { ...ids, IPv4Data: [{ AuxAddresses: { a: 1 } }] },
      /AuxAddresses\/a must be string/,
    ],
    [
      'CreateEndpoint',
      { ...ids, Interface: { Address: null } },
      /body\/Interface\/Address must be string/,
    ],
  ];
  for (const [method, body, message] of cases) {
    const { post, driver } = setUp();
    const { status, json, type } = await post(`NetworkDriver.${method}`, body);
    t.equal(status, 400);
    t.equal(type, vendorType);
    t.match(json, { Err: message }, `${message}`);
    t.strictSame(driver.calls, []);
  }
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

t.test('names of Object.prototype and repeated keys are harmless', async (t) => {
  const { post, driver } = setUp();
  const body =
    `{"NetworkID":"x","NetworkID":"${networkId}","__proto__":{"polluted":1},"constructor":{"prototype":1},` +
    '"Options":{"__proto__":{"polluted":1},"com.docker.network.generic":{"__proto__":{"polluted":1}}}}';
  t.strictSame((await post('NetworkDriver.CreateNetwork', body)).json, {});
  t.notOk('polluted' in {});
  const input = driver.calls[0]?.arguments[0];
  t.match(input, { networkId });
  const hidden = await post(
    'NetworkDriver.DeleteNetwork',
    `{"__proto__":{"NetworkID":"${networkId}"}}`,
  );
  t.match(hidden.json, { Err: /NetworkID/ }, 'nothing is found by inheritance');
});

t.test('a body that is too large is refused unread', async (t) => {
  const { post, driver } = setUp(undefined, { bodyLimitBytes: 1000 });
  const { json, status } = await post('NetworkDriver.Leave', { ...ids, Options: 'x'.repeat(2000) });
  t.equal(status, 400);
  t.match(json, { Err: /too large/ });
  t.strictSame(driver.calls, []);
});

t.test('the remains of large bodies are collected once they are worth it', async (t) => {
  let collected = 0;
  const collectGarbage = () => {
    collected += 1;
  };
  const { post } = setUp(undefined, { collectGarbage });
  const body = { ...ids, Options: { x: 'x'.repeat(400_000) } };
  const counts: number[] = [];
  for (let number = 1; number <= 6; number += 1) {
    await post('NetworkDriver.Leave', body);
    await new Promise(setImmediate);
    counts.push(collected);
  }
  t.strictSame(counts, [0, 0, 1, 1, 1, 2]);
});

t.test('a call with 60,000 ports is accepted', async (t) => {
  const { post, driver } = setUp();
  const ports = Array.from({ length: 60_000 }, (_, index) => ({ Proto: 6, Port: index + 1 }));
  const Options = { 'com.docker.network.portmap': ports };
  t.strictSame(
    (await post('NetworkDriver.ProgramExternalConnectivity', { ...ids, Options })).json,
    {},
  );
  t.strictSame(driver.names, ['publishPorts']);
});

t.test('any JSON to any method is answered with an object, and is no defect of ours', async (t) => {
  const { post } = setUp();
  const field = fc.oneof(fc.jsonValue(), fc.constantFrom(networkId, endpointId, null, {}, [], ''));
  const names = [
    'NetworkID',
    'EndpointID',
    'Options',
    'Interface',
    'IPv4Data',
    'IPv6Data',
    'SandboxKey',
  ];
  const body = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.constantFrom(...names), field, { noNullPrototype: true }),
    fc.record({
      NetworkID: fc.constant(networkId),
      EndpointID: fc.constant(endpointId),
      Options: field,
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...routes), body, async ({ method }, json) => {
      const answer = await post(method, JSON.stringify(json));
      if (answer.status !== 200 && answer.status !== 400)
        throw new Error(`status ${answer.status}`);
      if (answer.status === 400 && typeof answer.json.Err !== 'string') throw new Error('no Err');
    }),
    { numRuns: 300 },
  );
  t.pass();
});

t.test('a call that takes too long is answered with an error at its deadline', async (t) => {
  t.test('answers, names call and object, and takes away what was made too late', async (t) => {
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const wait = ({ name }: DriverCall) => (name.startsWith('create') ? gate : undefined);
    const { post, driver, log } = setUp(wait, { deadlineMs: 10 });
    const network = await post('NetworkDriver.CreateNetwork', { NetworkID: networkId });
    t.equal(network.status, 200);
    t.match(network.json, {
      Err: /^NetworkDriver\.CreateNetwork of network a941c14b8f93 was not done within 0\.01 s/,
    });
    const endpoint = await post('NetworkDriver.CreateEndpoint', ids);
    t.match(endpoint.json, {
      Err: /CreateEndpoint of endpoint 875199fe3bac on network a941c14b8f93 was/,
    });
    t.strictSame(driver.names, ['createNetwork', 'createEndpoint']);
    finish();
    await new Promise((resolve) => setTimeout(resolve, 10));
    t.strictSame(
      driver.calls.slice(2).map(({ name, arguments: args }) => [name, ...args]),
      [
        ['deleteNetwork', networkId],
        ['deleteEndpoint', { networkId, endpointId }],
      ],
    );
    t.match(log.lines.slice(2), [
      { message: 'call was done after its deadline', fields: { undone: true } },
      { message: 'call was done after its deadline' },
    ]);
  });

  t.test('what comes later than the answer is logged, not lost and not fatal', async (t) => {
    const late = async (work: () => void) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      work();
    };
    const fail = () => {
      throw new Error('too late');
    };
    const { post, log } = setUp(
      ({ name }) =>
        name === 'leave' ? late(fail) : name === 'deleteNetwork' ? fail() : late(() => undefined),
      { deadlineMs: 1 },
    );
    t.match((await post('NetworkDriver.Leave', ids)).json, { Err: /not done within/ });
    t.match((await post('NetworkDriver.Join', ids)).json, { Err: /not done within/ });
    t.match((await post('NetworkDriver.CreateNetwork', { NetworkID: networkId })).json, {
      Err: /not done/,
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    t.match(log.lines.map(({ message }) => message).sort(), [
      'call',
      'call',
      'call',
      'call failed after its deadline',
      'call was done after its deadline',
      'call was done after its deadline',
      'undoing a call that was done after its deadline failed',
    ]);
  });

  t.test('none', async (t) => {
    const { post } = setUp(undefined, { deadlineMs: Number.POSITIVE_INFINITY });
    t.strictSame((await post('NetworkDriver.Leave', ids)).json, {});
  });
});
