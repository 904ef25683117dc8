/** Step → effect, one executor for each kind: a step without one does not compile. */

import { DriverError } from '../../core/errors.js';
import type { LinkStep } from '../../core/network/links.js';
import type { Sysctl } from '../../core/network/sysctls.js';
import type { Links, Sysctls } from '../host.js';

type Executors = {
  readonly [Kind in LinkStep['kind']]: (
    links: Links,
    step: Extract<LinkStep, { kind: Kind }>,
  ) => Promise<void>;
};

const executors: Executors = {
  'create-link': (links, { link }) => links.create(link),
  'add-address': (links, { link, address }) => links.addAddress(link, address),
  'change-link': (links, { link, change }) => links.change(link, change),
};

/** In order; stops at the first failure. */
export async function applyLinkSteps(links: Links, steps: readonly LinkStep[]): Promise<void> {
  for (const step of steps) await execute(links, step);
}

function execute<Kind extends LinkStep['kind']>(
  links: Links,
  step: Extract<LinkStep, { kind: Kind }>,
): Promise<void> {
  const run = executors[step.kind] as Executors[Kind];
  return run(links, step);
}

/** Throws `sysctl-failed`, naming the file, unless the value is optional. */
export async function applySysctls(sysctls: Sysctls, wanted: readonly Sysctl[]): Promise<void> {
  for (const { path, value, optional } of wanted) {
    const written = await sysctls.write(path, value);
    if (written || optional) continue;
    throw new DriverError(
      'sysctl-failed',
      `writing ${value} to /proc/sys/${path}: this kernel has no such setting`,
    );
  }
}
