/**
 * Words in comments of rules that show which known program made the rule. They are not private, so a bundle may have
 * them. (Marks of packets, fwmark, are another thing.)
 */
const marks = [
  ...['generated for LXD', 'generated for Incus', 'wg-quick(8)', 'cali:', 'kubernetes'],
  ...['flanneld', 'cilium', 'tailscale', 'tsbridge'],
] as const;

/** The word of {@link marks} that the comment has; undefined: a person or an unknown program wrote it. */
export function markIn(comment: string): string | undefined {
  return marks.find((mark) => comment.includes(mark));
}
