/** Answers what the page's server asks for, about this host. */

import { asOfNow } from '../../operator/names/as-of.js';
import { hostPage, problemPage, wayPage } from '../../operator/page/page.js';
import type { Call, CallFlags } from '../call.js';
import type { EventLine } from '../commands/look/events.js';
import { daemonLines } from '../daemon-text.js';
import type { Parameters } from '../table/entry.js';
import { exitCodes } from '../terminal.js';
import { type PageWishes, pageEvent, readPage } from './read.js';
import type { PageAnswer, PageSource } from './server.js';
import { wayOf } from './ways.js';

export function pageSource(
  call: Call<Parameters, CallFlags>,
  wishes: Omit<PageWishes, 'at'>,
): PageSource {
  return {
    page: async () => hostPage(await readPage(call, { ...wishes, at: asOfNow() }), 'served'),
    way: (query) => wayAnswer(query, wishes),
    events: (since, end) => eventStream(call, since, end),
  };
}

/** Characters that a place (`web`, `192.0.2.1:80`) may have; `explain` parses it, and refuses the rest. */
const word = /^[^\p{C}]{1,255}$/u;

async function wayAnswer(
  query: URLSearchParams,
  { args, terminal }: Pick<PageWishes, 'args' | 'terminal'>,
): Promise<PageAnswer> {
  const from = query.get('from') ?? '';
  const to = query.get('to') ?? '';
  const ipv6 = query.get('ipv6') === '1';
  if (!word.test(from) || !word.test(to)) {
    const words =
      'Say where the packet comes from, and where it goes: /path?from=elsewhere&to=:8080';
    return { status: 400, html: problemPage('Which packet?', words) };
  }
  const way = await wayOf({ from, to, ipv6 }, args, terminal);
  if ('problem' in way) {
    const status = way.code === exitCodes.usage ? 400 : 503;
    return { status, html: problemPage('It could not be found out', way.problem) };
  }
  const command = `tsbridge explain ${from} ${to}${ipv6 ? ' --ipv6' : ''}`;
  return { status: 200, html: wayPage(command, way.picture, way.text) };
}

/** In the form of server-sent events. The id is that of the event, so that a browser comes back with the last one. */
async function* eventStream(
  { config: { runtimeDir }, timeoutMs }: Call<Parameters, CallFlags>,
  since: string,
  end: AbortSignal,
): AsyncGenerator<string, void> {
  const query = new URLSearchParams({ follow: 'true', not: 'call' });
  if (/^\d{1,16}$/.test(since)) query.set('since', since);
  for await (const line of daemonLines(
    { runtimeDir, timeoutMs },
    `/v1/events?${query}`,
    end,
    true,
  )) {
    const event = JSON.parse(line) as EventLine;
    const id = typeof event.id === 'number' ? `id: ${event.id}\n` : '';
    yield `${id}data: ${JSON.stringify(pageEvent(event))}\n\n`;
  }
}
