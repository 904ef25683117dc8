/** `tsbridge logs`: the daemon's log, readable. */
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Config } from '../../../config/config.js';
import { messageOf } from '../../../core/errors.js';
import { beginCall } from '../../call.js';
import { command } from '../../define.js';
import { isWanted, levels, parseLogLine, showLogLine } from '../../log-lines.js';
import { fit, plain } from '../../output/fit.js';
import { flag, optional } from '../../table/entry.js';
import { daemonFlags, outputFlags } from '../../table/flags.js';
import { count, filePath, network, text, words } from '../../table/kinds.js';

const { json: _json, ...colour } = outputFlags;

export const logsCommand = command({
  name: 'logs',
  summary: "the daemon's log, readable",
  about: [
    "Reads what systemd's journal has of the unit tsbridge.service, or a file (of docker logs, say), and shows time, level, " +
      'what happened and the fields of each line. For programs the log itself is JSON: journalctl -u tsbridge -o cat.',
  ],
  words: {},
  flags: {
    follow: flag('go on with what is logged from now on, until Ctrl-C'),
    since: optional(
      text('a time as journalctl takes it, such as "10 min ago" or 2026-11-26 14:00', 'TIME'),
      'only what is not older',
    ),
    lines: optional(count(1_000_000), 'so many of the last lines (1000; all with --since)'),
    network: optional(network, 'only lines about this network'),
    level: optional(words(levels), 'only lines of this level and those above (debug)'),
    file: optional(filePath, 'read this file in place of the journal'),
    ...colour,
    ...daemonFlags,
  },
  examples: [
    { line: 'tsbridge logs --follow --level warn', does: 'what goes wrong, as it happens' },
    { line: 'tsbridge logs --since today --network app', does: 'what was logged about a network' },
  ],
  exits: {
    ok: 'shown; with --follow: until Ctrl-C',
    failed: 'there is no journal, or the file could not be read',
    usage: 'wrong command line',
  },
  async run(line, terminal) {
    const { flags } = line;
    const call = await beginCall({ ...line, flags: { ...flags, json: false } }, terminal, 2_000);
    const end = terminal.interruption?.() ?? new AbortController().signal;
    const filter = {
      level: flags.level ?? 'debug',
      networks: flags.network === undefined ? undefined : await namesOf(flags.network, call.config),
    };
    const source = await openSource(flags, end);
    const lines = createInterface({ input: source.stream });
    const stop = (): void => lines.close();
    end.addEventListener('abort', stop);
    for await (const each of lines) {
      const parsed = parseLogLine(each);
      if (parsed === undefined) {
        // Lines of systemd about the unit have neither a network nor a level: a filter leaves them out.
        if (filter.networks === undefined && flags.level === undefined) {
          terminal.out(plain`${fit(each)}\n`);
        }
      } else if (isWanted(parsed, filter)) terminal.out(showLogLine(parsed, call.paint));
    }
    const problem = end.aborted ? undefined : await source.problem();
    if (problem !== undefined) throw new Error(problem);
    return 'ok';
  },
});

interface Flags {
  readonly follow: boolean;
  readonly since: string | undefined;
  readonly lines: number | undefined;
  readonly file: string | undefined;
}

interface Source {
  readonly stream: Readable;
  /** Why the source ended; undefined if it ended as it should. */
  problem(): Promise<string | undefined>;
}

const defaultLines = 1_000;

async function openSource(flags: Flags, end: AbortSignal): Promise<Source> {
  const { file } = flags;
  if (file !== undefined) {
    try {
      const stream = (await open(file)).createReadStream();
      return { stream, problem: () => Promise.resolve(undefined) };
    } catch (error) {
      throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
    }
  }
  const { spawnProcess } = await import('../../../host/process/exec.js');
  const { follow, since, lines = since === undefined ? defaultLines : undefined } = flags;
  const child = spawnProcess('journalctl', [
    ...['--unit=tsbridge.service', '--output=cat', '--no-pager', '--quiet'],
    ...(follow ? ['--follow'] : []),
    ...(since === undefined ? [] : [`--since=${since}`]),
    ...(lines === undefined ? [] : [`--lines=${lines}`]),
  ]);
  end.addEventListener('abort', () => child.kill('SIGKILL'));
  const { stdout, stderr, ended } = child;
  if (stdout === undefined) throw new Error('journalctl has no output');
  let said = '';
  stderr?.on('data', (part) => {
    said = (said + String(part)).slice(-2_000);
  });
  return {
    stream: stdout,
    async problem() {
      const { exitCode, description } = await ended;
      if (exitCode === 0) return undefined;
      return (
        `journalctl: ${said.trim() || description}; where the daemon is not a unit of systemd, name a file with ` +
        '--file (docker logs tsbridge > FILE)'
      );
    },
  };
}

/** The ids of networks with the name; if there are none, the given word, without the `br-` of a bridge's name. */
async function namesOf(given: string, config: Config): Promise<readonly string[]> {
  const { findNetworkIds } = await import('../../find-names.js');
  return [given, given.replace(/^br-/, ''), ...(await findNetworkIds(config, given))];
}
