/** The iptables of another system's root, in the namespaces of this process. */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const programs = ['iptables', 'ip6tables'].flatMap((tool) =>
  ['', '-restore', '-save'].map((action) => `${tool}-nft${action}`),
);

/** A folder for PATH whose programs are those of `root`. The caller removes it. */
export function iptablesOf(root: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-iptables-'));
  mkdirSync(folder, { recursive: true });
  for (const program of programs) {
    const file = join(folder, program);
    writeFileSync(file, `#!/bin/sh\nexec chroot '${root}' /usr/sbin/${program} "$@"\n`);
    chmodSync(file, 0o755);
  }
  return folder;
}
