import t from 'tap';
import { platformProblem, readPlatform } from '../src/platform.js';

const fine = { system: 'linux', architecture: 'x64', glibc: '2.36' };

t.test('Linux with glibc on both architectures is taken', async (t) => {
  t.equal(platformProblem(fine), undefined);
  t.equal(platformProblem({ ...fine, architecture: 'arm64' }), undefined);
});

t.test(
  'any other machine is refused in a sentence that says what it is and what is needed',
  async (t) => {
    const needed = 'tsbridge runs on Linux on x86_64 or aarch64 (64 bits) with glibc';
    for (const [changed, found] of [
      [{ architecture: 'arm' }, 'Linux on arm'],
      [{ architecture: 'ia32' }, 'Linux on ia32'],
      [{ glibc: undefined }, 'Linux on x86_64 without glibc (Alpine and others with musl)'],
      [{ system: 'darwin', glibc: undefined }, 'darwin on x86_64'],
    ] as const) {
      t.equal(platformProblem({ ...fine, ...changed }), `this is ${found}, and ${needed}`);
    }
  },
);

t.test('the machine of the tests is read as what it is', async (t) => {
  const { system, architecture, glibc = '' } = readPlatform();
  t.strictSame([system, architecture], [process.platform, process.arch]);
  t.match(glibc, /^2\.\d+$/);
});
