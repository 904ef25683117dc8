import t from 'tap';
import { enginePools } from '../../src/config/engine-pools.js';

t.test('the ranges that an administrator gave dockerd', (t) => {
  const file = '{"default-address-pools":[{"base":"10.9.1.0/24","size":26},{"size":24},7,null]}';
  t.strictSame(enginePools([], file), ['10.9.1.0/24']);
  t.strictSame(
    enginePools(
      [
        ...['--default-address-pool', 'base=10.8.0.0/16,size=24'],
        ...['--default-address-pool=size=24,base=10.7.0.0/16', '--ip', 'base=10.6.0.0/16'],
      ],
      undefined,
    ),
    ['10.8.0.0/16', '10.7.0.0/16'],
  );
  for (const other of [undefined, '', '{', '[]', '7', '{"default-address-pools":{}}', '{}']) {
    t.strictSame(enginePools(['--default-address-pool'], other), [], String(other));
  }
  t.end();
});
