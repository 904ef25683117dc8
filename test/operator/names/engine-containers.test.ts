/** Whose endpoint which is, for what operators publish. */
import t from 'tap';
import { plainText } from '../../../src/core/plain-text.js';
import { EngineContainers } from '../../../src/operator/names/engine-containers.js';
import { FakeEngine } from '../../fakes/fake-engine.js';
import { endpointIds } from '../../fakes/ids.js';

const hex = (digit: string) => digit.repeat(64);
const endpoint = (digit: string) => endpointIds(hex('5'), hex(digit)).endpointId;
const network = endpointIds(hex('5'), hex('e')).networkId;

function known(name = 'web') {
  const engine = new FakeEngine();
  engine.networkNames.set(network, 'shop');
  engine.add(hex('a'), 'web', [network, endpoint('e')]);
  const listeners: (() => void)[] = [];
  const names = {
    current: () => ({
      containerOf: (id: string) =>
        id === endpoint('d')
          ? {
              id: engine.known.values().next().value?.id as never,
              name: plainText(name),
              running: true,
            }
          : undefined,
      networkName: () => plainText(name),
    }),
    onChange: (listener: () => void) => void listeners.push(listener),
  };
  return { engine, listeners, containers: new EngineContainers({ engine, names }) };
}

t.test('from the names that are kept, and when they are asked for anew', async (t) => {
  const { containers, engine, listeners } = known();
  t.match(containers.of(endpoint('d')), { id: hex('a'), name: 'web' });
  t.equal(containers.networkName(network), 'web');
  t.equal(containers.of(endpoint('e')), undefined);
  await containers.refresh();
  t.match(containers.of(endpoint('e')), { id: hex('a'), name: 'web' });
  t.match(await containers.list(), {
    containers: new Set([hex('a')]),
    networks: new Set([network]),
  });
  let changes = 0;
  containers.onChange(() => {
    changes += 1;
  });
  listeners[0]?.();
  t.equal(changes, 1);
  engine.silence = 'no answer';
  await t.rejects(containers.refresh(), { message: 'no answer' });
  t.match(
    containers.of(endpoint('e')),
    { name: 'web' },
    'an endpoint is always of the same container',
  );
});

t.test('a name that Docker would not accept is none', async (t) => {
  const { containers } = known('a b');
  t.equal(containers.of(endpoint('d')), undefined);
  t.equal(containers.networkName(network), undefined);
});

t.test('where the engine may not be asked', async (t) => {
  const containers = new EngineContainers(undefined);
  containers.onChange(() => undefined);
  t.equal(containers.of(endpoint('e')), undefined);
  t.equal(containers.networkName(network), undefined);
  await t.rejects(containers.refresh(), { message: 'it may not be: --docker-socket none' });
  await t.rejects(containers.list(), { message: 'it may not be: --docker-socket none' });
});
