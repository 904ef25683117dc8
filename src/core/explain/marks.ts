/** Words in comments of rules by which known programs' rules are told from others. They say nothing of anybody. */
const marks = [
  ...['generated for LXD', 'generated for Incus', 'wg-quick(8)', 'cali:', 'kubernetes'],
  ...['flanneld', 'cilium', 'tailscale', 'tsbridge'],
] as const;

/** The mark in a comment, without what stands around it; undefined: a person or a program that is not known wrote it. */
export function markIn(comment: string): string | undefined {
  return marks.find((mark) => comment.includes(mark));
}
