/** Bodies that are missing, malformed, large or hostile. */
import fc from 'fast-check';
import t from 'tap';
import { routes } from '../../../src/frontends/libnetwork/routes.js';
import { endpointId, networkId } from '../../fakes/inputs.js';
import { ids, setUp, vendorType } from '../../fakes/posted-requests.js';

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
