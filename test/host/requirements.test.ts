import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pathOf } from '../../src/host/process/exec.js';
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

t.test(
  'a program that comes, goes, or is put in front of another is noticed at once',
  async (t) => {
    const folders = ['front', 'behind'].map((name) => join(t.testdir(), name));
    const [front = '', behind = ''] = folders.map((folder) => {
      mkdirSync(folder);
      return join(folder, 'iptables');
    });
    process.env.PATH = `:${folders.join(':')}`;
    t.equal(pathOf('iptables'), undefined);
    writeFileSync(behind, '');
    t.equal(pathOf('iptables'), behind);
    writeFileSync(front, '');
    t.equal(pathOf('iptables'), front);
    rmSync(front);
    t.equal(pathOf('iptables'), behind);
  },
);
