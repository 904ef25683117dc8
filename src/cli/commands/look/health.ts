/** `tsbridge health`: whether the daemon answers, in a moment, for programs that look every minute. */
import type { HealthReport } from '../../../operator/health.js';
import { AdminError } from '../../admin-client.js';
import { daemonText } from '../../daemon-text.js';
import { reportCommand } from '../../define.js';
import { nothing } from '../../output/fit.js';
import { columns } from '../../output/lines.js';
import { flag } from '../../table/entry.js';

export const healthCommand = reportCommand({
  name: 'health',
  summary: 'whether the daemon serves calls, without a look at the host',
  about: [
    'Asks the daemon whether the kernel answers it, whether it serves calls, has its records for itself, and whether the ' +
      'process that holds published ports answers. tsbridge status also compares the whole host, which takes longer.',
  ],
  words: {},
  flags: {
    live: flag('only whether the daemon itself and the kernel answer'),
    quiet: flag('print nothing: the exit status says it'),
  },
  watch: true,
  examples: [{ line: 'tsbridge health --quiet', does: 'for scripts and HEALTHCHECK' }],
  exits: {
    ok: 'it is well',
    failed: 'it does not run, or does not answer',
    usage: 'wrong command line',
    differs: 'it runs, and is not ready',
  },
  schema: 'health',
  async ask({ config: { runtimeDir }, timeoutMs, flags }) {
    const path = flags.live ? '/health/live' : '/health/ready';
    const { status, text } = await daemonText({ runtimeDir, timeoutMs }, path);
    if (status !== 200 && status !== 503) throw new AdminError(`the daemon answers: ${text}`, true);
    const { checks } = JSON.parse(text) as HealthReport;
    return { source: 'daemon', warnings: [], items: checks };
  },
  show: ({ items }, { flags }) =>
    flags.quiet
      ? nothing
      : columns(items.map(({ name, ok, text }) => [name, `${ok ? 'ok' : 'NOT OK'}: ${text}`])),
  exit: ({ items }) => (items.every(({ ok }) => ok) ? 'ok' : 'differs'),
});
