/** Lines of the daemon's log, as people read them. */
import { fit, joined, padded, plain, type TerminalText } from './output/fit.js';
import type { Paint } from './output/style.js';

export const levels = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof levels)[number];

export interface LogLine {
  readonly level: Level;
  readonly time: string;
  readonly msg: string;
  /** The fields beside, in the order of the line. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** undefined: it is no line of the daemon's log, but something that systemd, Node.js or a child says. */
export function parseLogLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { level, time, msg, ...fields } = value as Readonly<Record<string, unknown>>;
  const known = levels.find((each) => each === level);
  if (known === undefined || typeof msg !== 'string') return undefined;
  return { level: known, time: typeof time === 'string' ? time : '', msg, fields };
}

export interface LogFilter {
  /** Lines of lower levels are left out. */
  readonly level: Level;
  /** Beginnings of ids of networks, and names of bridges; undefined: lines about any, and about none. */
  readonly networks: readonly string[] | undefined;
}

export function isWanted({ level, fields }: LogLine, filter: LogFilter): boolean {
  if (levels.indexOf(level) < levels.indexOf(filter.level)) return false;
  const { networks } = filter;
  if (networks === undefined) return true;
  const { network, bridge } = fields;
  const made = typeof bridge === 'string' ? /^br-([0-9a-f]{12})$/.exec(bridge)?.[1] : undefined;
  const id = typeof network === 'string' ? network : made;
  return networks.some(
    (wanted) =>
      bridge === wanted ||
      // The log has the first twelve digits, a person may know fewer or more.
      (id !== undefined && (id.startsWith(wanted) || wanted.startsWith(id))),
  );
}

const colours = { debug: 'dim', info: 'dim', warn: 'yellow', error: 'red', fatal: 'red' } as const;

/** `14:03:07.412 warn  call  method=NetworkDriver.Join network=51e0a1b2c3d4 error="…"` */
export function showLogLine({ level, time, msg, fields }: LogLine, paint: Paint): TerminalText {
  const words = Object.entries(fields).map(([name, value]) => {
    return plain`  ${paint('dim', fit(`${name}=`))}${valueText(name, value)}`;
  });
  const name = paint(colours[level], padded(fit(level), 5, 'left'));
  return plain`${fit(time)} ${name} ${paint('bold', fit(msg))}${joined(words)}\n`;
}

function valueText(name: string, value: unknown): TerminalText {
  if (name === 'error' && typeof value === 'object' && value !== null) {
    const { message, code } = value as { message?: unknown; code?: unknown };
    const words = JSON.stringify(String(message ?? ''));
    return code === undefined ? fit(words) : plain`${words} (${String(code)})`;
  }
  if (typeof value === 'string')
    return fit(/^[^\s"=]+$/.test(value) ? value : JSON.stringify(value));
  return fit(JSON.stringify(value) ?? '');
}
