/**
 * A socket filter (classic BPF) for the kernel's reports of nf_tables: it lets through the end of each transaction,
 * and datagrams in which a table of iptables changes. So what other programs do in tables of their own costs the
 * listener one short message, however many rules that changes.
 *
 * A datagram holds up to some 35 reports (a page's worth), and a filter cannot loop: the look at one report is
 * repeated in its text. What comes after the last of them, and whatever is not laid out as expected, is let through.
 */
import { portMapTable } from '../../core/rules/chains/own-chains.js';
import { tables } from '../../core/rules/rule.js';
import { headerLength } from '../netlink/netlink-message.js';
import { nfgenLength, nftEvent, nftFamilies, nftSubsystem, tableAttribute } from './nft-events.js';

/** Of `struct sock_filter`; `x` is the offset of the report that is looked at. */
const code = {
  loadLength: 0x80,
  loadByte: 0x50,
  loadHalf: 0x48,
  loadWord: 0x40,
  loadMemory: 0x60,
  loadXMemory: 0x61,
  loadXValue: 0x01,
  store: 0x02,
  storeX: 0x03,
  add: 0x04,
  addX: 0x0c,
  subtract: 0x14,
  and: 0x54,
  shiftLeft: 0x64,
  jump: 0x05,
  ifEqual: 0x15,
  ifGreater: 0x25,
  ifAtLeastX: 0x3d,
  return: 0x06,
  toX: 0x07,
} as const;

const everything = 0xffffffff;
/** In the header of a message. */
const at = { length: 0, event: 4, subsystem: 5, port: 12 } as const;
const familyAt = headerLength;
const attributeAt = headerLength + nfgenLength;
/** A table's name has at least one character; attributes are padded to four bytes. */
const shortest = attributeAt + 4 + 4;

/** With as many the longest datagram is looked at as a whole. */
export const mostReports = 40;

/** `struct sock_filter`. */
export interface FilterInstruction {
  readonly code: number;
  /** How many instructions are skipped if the comparison holds, and if it does not. */
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly operand: number;
}

interface Line {
  readonly code: number;
  readonly value: number;
  /** Names of labels; undefined: the next line. */
  readonly yes?: string;
  readonly no?: string;
  /** This line's own name. */
  readonly label?: string;
}

/**
 * @param reports how many reports of a datagram are looked at
 * @param ownPorts netlink ports of writers of whose transactions only the ends are let through
 */
export function nftEventFilter(
  reports: number,
  ownPorts: readonly number[] = [],
): FilterInstruction[] {
  const block = assemble(reportLines(ownPorts));
  const first = instruction(code.loadXValue, 0, 0, 0);
  const last = instruction(code.return, 0, 0, everything);
  return [first, ...Array.from({ length: reports }, () => block).flat(), last];
}

function reportLines(ownPorts: readonly number[]): Line[] {
  const { ifEqual } = code;
  const prefixes = [
    ...new Set(
      [...tables, portMapTable].map((table) => Buffer.from(`${table}\0\0\0`).readUInt32BE(0)),
    ),
  ];
  const families = [...nftFamilies.keys()];
  return [
    { code: code.loadLength, value: 0 },
    { code: code.subtract, value: shortest },
    { code: code.ifAtLeastX, value: 0, no: 'drop' },
    { code: code.loadByte, value: at.subsystem },
    { code: ifEqual, value: nftSubsystem, no: 'accept' },
    { code: code.loadByte, value: at.event },
    { code: ifEqual, value: nftEvent.newGeneration, yes: 'accept' },
    { code: code.ifGreater, value: nftEvent.last, yes: 'accept' },
    ...(ownPorts.length === 0 ? [] : [{ code: code.loadWord, value: at.port }]),
    ...ownPorts.map((port) => ({ code: ifEqual, value: swapped(port), yes: 'next' })),
    { code: code.loadByte, value: familyAt },
    ...families.map((family, index) => ({
      code: ifEqual,
      value: family,
      yes: 'ours',
      ...(index === families.length - 1 ? { no: 'next' } : {}),
    })),
    { code: code.loadHalf, value: attributeAt + 2, label: 'ours' },
    { code: ifEqual, value: tableAttribute << 8, no: 'accept' },
    { code: code.loadWord, value: attributeAt + 4 },
    ...prefixes.map((prefix) => ({ code: ifEqual, value: prefix, yes: 'accept' })),
    { code: code.jump, value: 0, yes: 'next' },
    { code: code.return, value: everything, label: 'accept' },
    { code: code.return, value: 0, label: 'drop' },
    // x += the length, whose lower half is enough, rounded up to four bytes.
    { code: code.loadByte, value: at.length + 1, label: 'next' },
    { code: code.shiftLeft, value: 8 },
    { code: code.store, value: 0 },
    { code: code.loadByte, value: at.length },
    { code: code.storeX, value: 1 },
    { code: code.loadXMemory, value: 0 },
    { code: code.addX, value: 0 },
    { code: code.add, value: 3 },
    { code: code.and, value: 0xfffffffc },
    { code: code.loadXMemory, value: 1 },
    { code: code.addX, value: 0 },
    { code: code.toX, value: 0 },
  ];
}

function assemble(lines: readonly Line[]): FilterInstruction[] {
  const labels = new Map(lines.flatMap(({ label }, index) => (label ? [[label, index]] : [])));
  const distance = (from: number, label: string | undefined): number =>
    label === undefined ? 0 : (labels.get(label) ?? 0) - from - 1;
  return lines.map((line, index) =>
    line.code === code.jump
      ? instruction(code.jump, 0, 0, distance(index, line.yes))
      : instruction(line.code, distance(index, line.yes), distance(index, line.no), line.value),
  );
}

function instruction(
  operation: number,
  jumpTrue: number,
  jumpFalse: number,
  operand: number,
): FilterInstruction {
  return { code: operation, jumpTrue, jumpFalse, operand };
}

/** The filter reads words in network order; ports are in that of the host. */
function swapped(port: number): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(port);
  return bytes.readUInt32BE(0);
}
