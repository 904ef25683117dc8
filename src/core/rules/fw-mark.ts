/** Marks that the kernel can put on packets, as `--bridge-accept-fwmark` of Docker 29 takes them. */

declare const marked: unique symbol;
/** `0x1` or `0x1/0xff`: as iptables-save prints it. */
export type FwMark = string & { readonly [marked]: true };

const number = /^(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})$/;
const all = 0xffff_ffff;

/** `MARK` or `MARK/MASK`, each decimal or `0x…`; undefined if it is none, or more than 32 bits. */
export function parseFwMark(text: string): FwMark | undefined {
  const [mark, mask, ...more] = text.split('/').map((word) => {
    const value = number.test(word) ? Number(word) : Number.NaN;
    return value <= all ? value : undefined;
  });
  if (mark === undefined || more.length > 0) return undefined;
  if (text.includes('/') && mask === undefined) return undefined;
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const part = mask === undefined || mask === all ? '' : `/${hex(mask)}`;
  return `${hex(mark)}${part}` as FwMark;
}
