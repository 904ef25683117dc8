import t from 'tap';
import type { EndpointId } from '../../../src/core/names.js';
import type { HostPort, Log } from '../../../src/driver/host.js';
import { StrayFlows, udpPortsOf } from '../../../src/driver/state/stray-flows.js';
import { makeBinding } from '../../golden/golden.js';

/** A host that notes what it is asked, in order; `refuse` fails. */
function setUp(refuse?: string) {
  const asked: string[] = [];
  const warned: string[] = [];
  const note = async (what: string): Promise<void> => {
    asked.push(what);
    if (what.startsWith(refuse ?? 'nothing')) throw new Error(`${what} refused`);
  };
  const ports = {
    pauseUdp: (owners: readonly EndpointId[]) => note(`pause ${owners}`),
    resumeUdp: (owners: readonly EndpointId[]) => note(`resume ${owners}`),
  };
  const conntrack = {
    removeUdpFlowsAt: (of: readonly HostPort[]) =>
      note(`forget ${of.map(({ family, port }) => `${family}/${port}`)}`),
  };
  const log = { warn: (fields: { error?: unknown }) => warned.push(String(fields.error)) };
  return { flows: new StrayFlows(ports, conntrack, log as unknown as Log), asked, warned };
}
const endpoint = (name: string) => name as EndpointId;
const udp = (host: string) => makeBinding(host, '10.5.0.2:53', 'udp');
const published = [
  {
    endpoint: endpoint('dns'),
    bindings: [udp('0.0.0.0:53'), udp('[::]:53'), makeBinding('0.0.0.0:80', '10.5.0.2:80')],
  },
  { endpoint: endpoint('web'), bindings: [makeBinding('0.0.0.0:443', '10.5.0.3:443')] },
];

t.test('the proxy is silent while the flows of its UDP ports are forgotten', async (t) => {
  const { flows, asked } = setUp();
  await flows.forget(published);
  t.same(asked, ['pause dns', 'forget 4/53,6/53', 'resume dns']);
});

t.test('without UDP ports nothing is asked of anybody', async (t) => {
  const { flows, asked } = setUp();
  await flows.forget(published.slice(1));
  t.same(asked, []);
});

t.test('a proxy that cannot be told is logged, and the flows are forgotten', async (t) => {
  const { flows, asked, warned } = setUp('pause');
  await flows.forget(published);
  t.same(asked, ['pause dns', 'forget 4/53,6/53', 'resume dns']);
  t.same(warned, ['pause dns refused']);
});

t.test('the proxy goes on also if the kernel refuses', async (t) => {
  const { flows, asked } = setUp('forget');
  await t.rejects(flows.forget(published), /forget 4\/53,6\/53 refused/);
  t.equal(asked.at(-1), 'resume dns');
});

t.test('a port on several addresses is one port of the host', async (t) => {
  t.same(udpPortsOf([udp('127.0.0.1:53'), udp('127.0.0.2:53')]), [{ family: 4, port: 53 }]);
});
