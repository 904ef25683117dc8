/** `tsbridge events`: what the daemon has done and found, and what it does from now on. */
import { type EventKind, eventKinds } from '../../../driver/telemetry.js';
import { beginCall } from '../../call.js';
import { daemonLines } from '../../daemon-text.js';
import { command } from '../../define.js';
import { fit, fitJson, padded, plain, type TerminalText } from '../../output/fit.js';
import { flag, optional, several } from '../../table/entry.js';
import { daemonFlags, outputFlags } from '../../table/flags.js';
import { since, words } from '../../table/kinds.js';

export const eventsCommand = command({
  name: 'events',
  summary: 'what the daemon has done and found lately, and does from now on',
  about: [
    'Calls of the engine, repairs and by whom they became necessary, ports published and released, what got worse ' +
      'and better, and what operators asked for. The daemon keeps the last 1,000 calls and the last 1,000 other events in ' +
      'memory; what is gone is told. docs/events.md has the fields. With --json: one object a line.',
    'A reader comes back with --since and the last id that it has seen.',
  ],
  words: {},
  flags: {
    follow: flag('go on with what happens from now on, until Ctrl-C; with --since, from then on'),
    since: optional(since, 'only what followed this event, or what is not older'),
    kind: several(words(eventKinds), 'only these; may be given again'),
    not: several(words(eventKinds), 'not these; may be given again'),
    ...outputFlags,
    ...daemonFlags,
  },
  examples: [
    { line: 'tsbridge events --not call', does: 'without the calls of the engine' },
    { line: 'tsbridge events --follow --kind repair', does: 'who changes rules, as it happens' },
    { line: 'tsbridge events --since 10m --json', does: 'for programs: a line each' },
  ],
  exits: {
    ok: 'told; with --follow: until Ctrl-C',
    failed: 'the daemon does not run, went away, or refused',
    usage: 'wrong command line',
  },
  schema: 'events',
  async run(line, terminal) {
    const { flags } = line;
    const call = await beginCall(line, terminal, 10_000);
    const end = terminal.interruption?.() ?? new AbortController().signal;
    const query = new URLSearchParams();
    if (flags.since !== undefined) query.set('since', flags.since);
    if (flags.follow) query.set('follow', 'true');
    for (const kind of flags.kind) query.append('kind', kind);
    for (const kind of flags.not) query.append('not', kind);
    const { config, timeoutMs } = call;
    const daemon = { runtimeDir: config.runtimeDir, timeoutMs };
    for await (const text of daemonLines(daemon, `/v1/events?${query}`, end, flags.follow)) {
      const event = JSON.parse(text) as EventLine;
      terminal.out(flags.json ? plain`${fitJson(event)}\n` : show(event));
    }
    return 'ok';
  },
});

/** One event, in the form of docs/schema/events.json. */
export interface EventLine {
  readonly at: string;
  readonly kind: EventKind | 'gap';
  readonly [field: string]: unknown;
}

const widest = Math.max(...eventKinds.map((kind) => kind.length));

function show(event: EventLine): TerminalText {
  const kind = padded(fit(event.kind), widest, 'left');
  return plain`${fit(event.at)}  ${kind}  ${wordsOf(event)}\n`;
}

/** @param event of a newer daemon, it can have a kind that this command does not know: then its JSON is shown */
export function wordsOf(event: EventLine): TerminalText {
  const text = (name: string): string => String(event[name] ?? '');
  const some = (name: string): string => {
    const all = (event[name] ?? []) as readonly string[];
    const more = Number(event.count ?? all.length) - all.length;
    return all.join(', ') + (more > 0 ? ` and ${more} more` : '');
  };
  const short = (name: string): string => text(name).slice(0, 12);
  switch (event.kind) {
    case 'call': {
      const objects = ['network', 'endpoint']
        .filter((name) => event[name] !== undefined)
        .map((name) => ` ${name} ${short(name)}`);
      return plain`${text('method')}${objects.join(',')}: ${text('code')}, ${text('durationMs')} ms`;
    }
    case 'repair':
      return plain`${text('what')}, changed by ${text('by')}: ${text('count')} changes, ${Math.round(Number(event.durationMs))} ms after: ${some('first')}`;
    case 'drift':
      return event.count === undefined
        ? plain`${text('what')} are not as they should be`
        : plain`${text('count')} changes of ${text('what')} are necessary: ${some('first')}`;
    case 'published':
    case 'released':
      return plain`${some('first')} of endpoint ${short('endpoint')}, network ${short('network')}, by ${text('by')}`;
    case 'degraded':
    case 'recovered':
      return plain`${text('text')} (${text('reason')})`;
    case 'names':
      return plain`${text('state')}: ${text('text')}`;
    case 'collected':
      return plain`forgotten by the engine, and removed: ${some('first')}`;
    case 'operator':
      return plain`${text('action')}: ${text('text')}`;
    case 'gap':
      return plain`${event.of === 'all' ? 'all' : event.of === 'call' ? 'calls' : 'other events'} from ${text('from')} to ${text('to')} are gone`;
    default:
      return fit(JSON.stringify(event));
  }
}
