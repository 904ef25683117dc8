import t from 'tap';
import type { InterfaceName } from '../../../src/core/names.js';
import { KnownHandles } from '../../../src/core/rules/known-handles.js';
import { makeRule, type Rule } from '../../../src/core/rules/rule.js';
import type { RuleChange } from '../../../src/core/rules/rule-set.js';
import { NetlinkTransactions } from '../../../src/host/nf-tables/netlink-transactions.js';
import { FakeFirewall } from '../../fakes/fake-firewall.js';
import { FakeNft } from '../../fakes/fake-nft.js';
import { RecordingLog } from '../../fakes/recording-log.js';

const accept = (bridge: string): Rule =>
  makeRule(4, 'filter', 'DOCKER', { inInterface: bridge as InterfaceName }, 'ACCEPT');
const append = (bridge: string): RuleChange => ({ op: 'append', rule: accept(bridge) });

t.test('what may take long goes on a thread', async (t) => {
  const kernel = new FakeFirewall();
  await kernel.restore(4, '*filter\n-N DOCKER\nCOMMIT\n');
  const nft = new FakeNft(kernel);
  const clock = { now: 0, transactionTakes: 0 };
  const transaction = nft.transaction.bind(nft);
  nft.transaction = async (...call) => {
    clock.now += clock.transactionTakes;
    return transaction(...call);
  };
  const bytes = ({ text }: Rule): Buffer => Buffer.from(text);
  const transactions = new NetlinkTransactions(
    nft,
    bytes,
    new KnownHandles(),
    new RecordingLog(),
    () => clock.now,
  );
  let bridges = 0;
  const commit = async (milliseconds: number, changes?: readonly RuleChange[]): Promise<void> => {
    clock.now += milliseconds;
    bridges += 1;
    t.equal(await transactions.commit(changes ?? [append(`b${bridges}`)]), undefined);
  };
  const inThread = (): boolean[] => nft.inThread.splice(0);

  await commit(0);
  t.same(inThread(), [false], 'one rule takes less than a turn to a thread');
  await commit(
    0,
    Array.from({ length: 101 }, (_, at) => append(`many${at}`)),
  );
  await commit(0);
  t.same(inThread(), [true, false], 'many rules');

  clock.transactionTakes = 4;
  await commit(0);
  clock.transactionTakes = 1;
  await commit(999);
  await commit(1);
  t.same(inThread(), [false, true, false], 'after a long one, for a second');

  await commit(0, [{ op: 'delete', rule: accept('b1') }]);
  await commit(20);
  await commit(40);
  await commit(0);
  t.same(inThread(), [true, true, true, false], 'a deletion, until a short one 50 ms later');

  await commit(0, [{ op: 'delete', rule: accept('b3') }]);
  clock.transactionTakes = 30;
  await commit(60);
  clock.transactionTakes = 1;
  await commit(2_000);
  await commit(0);
  t.same(inThread(), [true, true, true, false], 'a grace period that takes longer');
});
