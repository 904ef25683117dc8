/** The filter for reports of nf_tables, run here as the kernel runs it. */
import fc from 'fast-check';
import t from 'tap';
import {
  type FilterInstruction,
  mostReports,
  nftEventFilter,
} from '../../../src/codec/nf-tables/nft-event-filter.js';
import { generation, nftFamily, report } from '../../fakes/nft-reports.js';

const { ip, ip6, inet, bridge } = nftFamily;

/** Whether the program lets the datagram through; a load from beyond its end drops it, as in the kernel. */
function passes(program: readonly FilterInstruction[], datagram: Buffer): boolean {
  let [a, x] = [0, 0];
  const memory: number[] = [];
  for (let at = 0; ; at += 1) {
    const { code, jumpTrue, jumpFalse, operand } = program[at] ?? { code: -1 };
    const jump = (holds: boolean): void => {
      at += (holds ? jumpTrue : jumpFalse) ?? 0;
    };
    const k = operand ?? 0;
    const load = (size: number): number | undefined =>
      x + k + size > datagram.length ? undefined : datagram.readUIntBE(x + k, size);
    const loads: Record<number, number> = { 80: 1, 72: 2, 64: 4 };
    const size = loads[code];
    if (size !== undefined) {
      const value = load(size);
      if (value === undefined) return false;
      a = value;
    } else if (code === 0x80) a = datagram.length;
    else if (code === 0x01) x = k;
    else if (code === 0x02) memory[k] = a;
    else if (code === 0x03) memory[k] = x;
    else if (code === 0x61) x = memory[k] ?? 0;
    else if (code === 0x04) a = (a + k) >>> 0;
    else if (code === 0x0c) a = (a + x) >>> 0;
    else if (code === 0x14) a = (a - k) >>> 0;
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x64) a = (a << k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) jump(a === k);
    else if (code === 0x25) jump(a > k);
    else if (code === 0x3d) jump(a >= x);
    else if (code === 0x07) x = a;
    else if (code === 0x06) return k !== 0;
    else throw new Error(`instruction ${at} is of unknown kind ${code}`);
  }
}

const foreign = [
  report('newTable', inet, 'filter'),
  report('newRule', ip, 'mine', { chain: 'FORWARD', handle: 4 }),
  report('newRule', bridge, 'nat', { chain: 'c', handle: 40_000 }),
  report('deleteRule', ip6, 'm', { chain: 'a-chain-with-a-long-name', handle: 4 }),
  report('newElement', inet, 'nat'),
  report('deleteTable', ip, 'na'),
  report('newSet', ip, 'natter'),
];
const ours = [
  report('newRule', ip, 'nat', { chain: 'DOCKER', handle: 4, portId: 0xfffff123 }),
  report('deleteTable', ip6, 'raw', { portId: 0xfffff123 }),
  report('newChain', ip, 'mangle', { chain: 'X', portId: 0xfffff123 }),
  report('newRule', ip, 'filter', { chain: 'FORWARD', handle: 9, portId: 0xfffff123 }),
];
const end = generation({ pid: 5, program: 'nft' });

t.test('the end of a transaction, and changes of our tables, pass', async (t) => {
  const filter = nftEventFilter(mostReports);
  t.ok(filter.length < 4096, 'as long as the kernel allows');
  t.equal(passes(filter, end), true);
  for (const one of foreign) t.equal(passes(filter, one), false);
  for (const one of ours) t.equal(passes(filter, one), true);
});

t.test('wherever in a datagram they are', async (t) => {
  const reports = fc.array(fc.constantFrom(...foreign), { maxLength: mostReports - 1 });
  const filter = nftEventFilter(mostReports);
  fc.assert(
    fc.property(reports, fc.constantFrom(...ours), reports, (before, one, after) => {
      if (before.length + after.length >= mostReports) return;
      t.equal(passes(filter, Buffer.concat([...before, one, ...after])), true);
      const none = Buffer.concat([...before, ...after]);
      if (none.length > 0) t.equal(passes(filter, none), false);
    }),
  );
});

t.test('with fewer instructions more passes, never less', async (t) => {
  const [some, one] = [foreign.slice(0, 5), ours[0] ?? end];
  const filter = nftEventFilter(4);
  t.equal(passes(filter, Buffer.concat(some.slice(0, 3))), false);
  t.equal(passes(filter, Buffer.concat(some)), true, 'the fifth is not looked at');
  t.equal(passes(filter, Buffer.concat([...some, one])), true);
});

t.test('what is laid out otherwise passes', async (t) => {
  const filter = nftEventFilter(mostReports);
  const odd = report('newRule', inet, 'mine');
  odd.writeUInt16LE((10 << 8) | 25, 4);
  t.equal(passes(filter, odd), true, 'a report of another kind');
  odd.writeUInt16LE((9 << 8) | 6, 4);
  t.equal(passes(filter, odd), true, 'of another subsystem');
  const first = report('newRule', ip, 'mine');
  first.writeUInt16LE(2, 22);
  t.equal(passes(filter, first), true, 'another attribute in front');
});

t.test('of writers of our own only the ends', async (t) => {
  const filter = nftEventFilter(mostReports, [7, 0xfffff123]);
  t.equal(passes(filter, Buffer.concat(ours)), false);
  const other = report('newRule', ip, 'nat', { chain: 'DOCKER', handle: 4, portId: 8 });
  t.equal(passes(filter, Buffer.concat([...ours, other])), true);
  t.equal(passes(filter, generation({ portId: 7 })), true);
});
