/** Calls that take longer than the engine waits. */
import t from 'tap';
import { endpointId, networkId } from '../../fakes/inputs.js';
import { ids, setUp } from '../../fakes/posted-requests.js';
import type { DriverCall } from '../../fakes/recording-driver.js';

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
