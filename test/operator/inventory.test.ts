/** What the daemon answers about networks, endpoints and ports: whole, in small pieces, and the same from records. */
import t from 'tap';
import { pieces } from '../../src/admin/routes/inventory.js';
import type { NetworkSpec } from '../../src/core/network/network.js';
import { Registry } from '../../src/driver/state/registry.js';
import { type Inventory, inventoryJson } from '../../src/operator/inventory/inventory.js';
import { Yielding } from '../../src/yielding.js';
import { binding, filledRegistry as registryOf } from '../fakes/filled-registry.js';

const read = (registry: Registry) => JSON.parse([...inventoryJson(registry)].join('')) as Inventory;

t.test('the steps together are one document', async (t) => {
  const registry = registryOf(2, 201);
  const { networks, endpoints, unreadable } = read(registry);
  t.match(networks, [{ bridge: 'br-1', subnets: ['172.20.0.0/16'], mtu: null, phase: 'ready' }]);
  t.match(endpoints, [{ veth: 'veth0', ipv4: '172.20.0.2/16', ipv6: null, sandbox: null }, {}]);
  t.equal(endpoints[1]?.ports.length, 201, 'also more than one step of them');
  t.strictSame(unreadable, []);
  t.strictSame(read(new Registry()), { networks: [], endpoints: [], unreadable: [] });
});

t.test('which way a port goes in', async (t) => {
  const pathOf = (hostIp: string, spec: Partial<NetworkSpec>) => {
    const registry = registryOf(1, 0, spec);
    const [state] = registry.endpoints();
    Object.assign(state?.record ?? {}, {
      bindings: [binding(hostIp, 80)],
      added: [{ publication: 'p', bindings: [binding(hostIp, 81)] }],
    });
    const ports = read(registry).endpoints[0]?.ports ?? [];
    t.strictSame(
      ports.map(({ by }) => by),
      ['docker', 'operator'],
    );
    return ports[0]?.path;
  };
  t.equal(pathOf('0.0.0.0', {}), 'dnat');
  t.equal(pathOf('127.0.0.1', {}), 'proxy', 'no rule reaches what the host sends to itself');
  t.equal(pathOf('127.0.0.1', { userlandProxy: false }), 'dnat', 'in hairpin mode one does');
  t.equal(pathOf('::', {}), 'proxy', 'IPv6 to IPv4');
  t.equal(pathOf('::', { userlandProxy: false }), 'none');
  t.equal(pathOf('0.0.0.0', { ruleFamilies: [] }), 'proxy', 'no rules are written');
});

t.test('since when ports are published, as far as it is on record', async (t) => {
  const registry = registryOf(1, 1);
  const [state] = registry.endpoints();
  const publication = { id: 'p', since: '2026-11-26T11:00:00.000Z' };
  registry.publications.add(publication as Parameters<typeof registry.publications.add>[0]);
  const added = ['p', 'unreadable'].map((id, index) => {
    return { publication: id, bindings: [binding('0.0.0.0', 81 + index)] };
  });
  const since = () => read(registry).endpoints[0]?.ports.map((port) => port.since);
  Object.assign(state?.record ?? {}, { added });
  t.strictSame(since(), [null, publication.since, null]);
  Object.assign(state?.record ?? {}, { publishedAt: '2026-11-26T10:00:00.000Z' });
  t.strictSame(since(), ['2026-11-26T10:00:00.000Z', publication.since, null]);
});

t.test('1,000 endpoints with 10,000 ports: no step holds others up', async (t) => {
  const registry = registryOf(1_000, 10);
  // A clock that counts steps: each takes a millisecond of it.
  let now = 0;
  let pauses = 0;
  const yielding = new Yielding(() => {
    now += 1;
    return now;
  }, 2);
  const pause = yielding.pause.bind(yielding);
  yielding.pause = () => {
    pauses += 1;
    return pause();
  };
  let steps = 0;
  let longest = 0;
  const counted = function* () {
    for (const step of inventoryJson(registry)) {
      steps += 1;
      longest = Math.max(longest, step.length);
      yield step;
    }
  };
  let text = '';
  for await (const part of pieces(counted(), yielding)) text += part;
  t.equal(pauses, steps, 'others may have their turn after each step');
  t.ok(longest < 20_000, `the longest step writes ${longest} characters`);
  t.equal((JSON.parse(text) as Inventory).endpoints.length, 1_000);
  const one = [...inventoryJson(registryOf(1, 10_000))];
  t.ok(
    one.every((step) => step.length < 20_000),
    'also if one container has all the ports',
  );
});
