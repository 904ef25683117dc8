/** Parts of /proc/PID/smaps of a Node.js 24 on kernel 6.18. */
import t from 'tap';
import { unchangedMappings } from '../../src/codec/memory-maps.js';

const program = '/usr/lib/tsbridge/bin/node';

const mapping = (range: string, access: string, name: string, rss: number, anonymous: number) =>
  [
    `${range} ${access} 00000000 fe:01 ${name === '' ? '0' : '263404'}${name === '' ? ' ' : `                     ${name}`}`,
    'Size:              21040 kB',
    'KernelPageSize:        4 kB',
    `Rss:               ${rss} kB`,
    `Pss:               ${rss} kB`,
    'Private_Dirty:        16 kB',
    `Anonymous:         ${anonymous} kB`,
    'AnonHugePages:         0 kB',
    'VmFlags: rd ex mr mw me',
  ].join('\n');

t.test('the mappings of the program file that nobody has changed', (t) => {
  const smaps = [
    mapping('00400000-01200000', 'r--p', program, 10_624, 0),
    mapping('01200000-03400000', 'r-xp', program, 19_840, 0),
    // The linker has put addresses here.
    mapping('03400000-03500000', 'r--p', program, 1_024, 1_000),
    mapping('03500000-03520000', 'rw-p', program, 128, 0),
    // Nothing of it is in memory.
    mapping('03600000-03620000', 'r--p', program, 0, 0),
    mapping('03700000-03720000', 'r--s', program, 64, 0),
    mapping('7f0000000000-7f0000100000', 'r-xp', '/usr/lib/x86_64-linux-gnu/libc.so.6', 512, 0),
    mapping('7f0000200000-7f0000300000', 'r-xp', `${program} (deleted)`, 512, 0),
    mapping('7f0000400000-7f0000500000', 'rw-p', '', 512, 0),
    mapping('ffffffffff600000-ffffffffff601000', '--xp', '[vsyscall]', 0, 0),
    '',
  ].join('\n');
  t.strictSame(unchangedMappings(smaps, program), [
    { address: 0x400000n, bytes: 0xe00000n },
    { address: 0x1200000n, bytes: 0x2200000n },
  ]);
  t.strictSame(unchangedMappings(smaps, `${program} (deleted)`), [
    { address: 0x7f0000200000n, bytes: 0x100000n },
  ]);
  t.strictSame(unchangedMappings('', program), []);
  t.end();
});
