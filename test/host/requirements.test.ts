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

t.test('a host that has all of them', async (t) => {
  only(t, { nft: 'exit 0' });
  t.same(missingPrograms('nft'), []);
});

t.test('what is missing is told with the name of its package', async (t) => {
  only(t, {});
  t.match(missingPrograms('nft'), [/^the command 'nft' is missing: .*package 'nftables'/]);
});

t.test('nft is needed with iptables-nft only', async (t) => {
  only(t, {});
  t.same(missingPrograms('legacy'), []);
  t.same(missingPrograms(undefined), []);
});
