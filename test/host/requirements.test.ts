import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { missingPrograms } from '../../src/host/requirements.js';

const real = process.env.PATH;

/** These scripts are all the programs there are. */
function only(t: { testdir(): string }, programs: Readonly<Record<string, string>>): void {
  const folder = t.testdir();
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  process.env.PATH = folder;
}

t.afterEach(() => {
  process.env.PATH = real;
});

const iproute2 = 'echo "ip utility, iproute2-6.1.0, libbpf 1.1.2"';

t.test('a host that has all of them', async (t) => {
  only(t, { ip: iproute2, nft: 'exit 0' });
  t.same(await missingPrograms('nft'), []);
});

t.test('what is missing is told with the name of its package', async (t) => {
  only(t, {});
  const both = await missingPrograms('nft');
  t.match(both, [
    /^the command 'ip' is missing: .*package 'iproute2'/,
    /^the command 'nft' is missing: .*package 'nftables'/,
  ]);
  t.equal(both.length, 2);
});

t.test('nft is needed with iptables-nft only', async (t) => {
  only(t, { ip: iproute2 });
  t.same(await missingPrograms('legacy'), []);
  t.same(await missingPrograms(undefined), []);
});

t.test('the ip of BusyBox is not taken for the one of iproute2', async (t) => {
  const messages = ['echo "BusyBox v1.36.1" >&2; exit 1', 'echo "ip: BusyBox v1.36.1"'];
  for (const script of messages) {
    only(t, { ip: script });
    t.match(await missingPrograms('legacy'), [/^the command 'ip' is not the one of iproute2/]);
  }
});
