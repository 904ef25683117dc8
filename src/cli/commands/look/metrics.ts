/** `tsbridge metrics`: the daemon's numbers, as Prometheus reads them. */
import { AdminError } from '../../admin-client.js';
import { beginCall } from '../../call.js';
import { daemonText } from '../../daemon-text.js';
import { command } from '../../define.js';
import { fitLines } from '../../output/fit.js';
import { replaceFile } from '../../output/replace-file.js';
import { optional } from '../../table/entry.js';
import { daemonFlags } from '../../table/flags.js';
import { filePath } from '../../table/kinds.js';

export const metricsCommand = command({
  name: 'metrics',
  summary: "the daemon's numbers, as Prometheus reads them",
  about: [
    'The text format of Prometheus. docs/metrics.md says what each number means, and how Prometheus can ask the daemon ' +
      'itself (--metrics-listen). No name of a container or network is in them, unless the daemon was started with ' +
      '--metrics-per-network or --metrics-per-endpoint.',
  ],
  words: {},
  flags: {
    write: optional(
      filePath,
      "replace this file as a whole, for node_exporter's textfile collector; its name has to end with .prom",
    ),
    ...daemonFlags,
  },
  examples: [
    {
      line: 'tsbridge metrics --write /var/lib/prometheus/node-exporter/tsbridge.prom',
      does: 'from a timer, every minute',
    },
  ],
  exits: {
    ok: 'printed, or written',
    failed: 'the daemon does not run, or the file could not be written',
    usage: 'wrong command line',
  },
  async run(line, terminal) {
    const { config, timeoutMs } = await beginCall(
      { ...line, flags: { ...line.flags, json: false, color: undefined } },
      terminal,
      10_000,
    );
    const daemon = { runtimeDir: config.runtimeDir, timeoutMs };
    const { status, text } = await daemonText(daemon, '/metrics');
    if (status !== 200) throw new AdminError(`the daemon answers: ${text}`, true);
    const { write } = line.flags;
    if (write === undefined) terminal.out(fitLines(text));
    else await replaceFile(write, text, 0o644);
    return 'ok';
  },
});
