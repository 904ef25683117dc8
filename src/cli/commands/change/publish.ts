/** `tsbridge publish`: ports of a container that runs, beside those of `docker run -p`. */
import type { PublicationDocument, PublishAnswer } from '../../../operator/publishing.js';
import { reportCommand } from '../../define.js';
import type { readInventory } from '../../inventory/read.js';
import { joined, plain, type TerminalText } from '../../output/fit.js';
import { table } from '../../output/table.js';
import { insteadOf, registryOfRecords } from '../../records.js';
import { flag, optional, several } from '../../table/entry.js';
import { UsageError } from '../../table/parse.js';
import { asked, keptText, pathText, place, portWord, publicationColumns } from './publications.js';

export const publishCommand = reportCommand({
  name: 'publish',
  summary: 'publish ports of a running container, or list what was published',
  about: [
    'Rules, sockets and proxy are those of docker run -p, without a new container. The ports are kept for ' +
      'the container: they are there again whenever it starts, after restarts of the engine, the daemon and ' +
      'the host, and they go when it is removed. The engine does not know of them: docker ps does not show ' +
      'them (tsbridge ports does), and a later docker run -p of the same port is refused by name.',
    'At a start of the container the ports are open as soon as the engine has said whose endpoint is whose, ' +
      'some tenths of a second after the start. A port that another has then is tried until it is free; ' +
      'tsbridge status tells of it.',
  ],
  words: {
    container: optional(place, 'whose ports'),
    ports: several(portWord, 'as for docker run -p, with a host port'),
  },
  flags: {
    'by-name': flag(
      'keep them for every container of this name on this network, as docker compose up makes them anew',
    ),
    'until-stop': flag('keep them until the container stops'),
    'if-free': flag('a port that is taken is an answer (exit 3), and no error'),
    list: flag('show what operators have published, of the container or of all'),
  },
  examples: [
    { line: 'tsbridge publish shop-web-1 127.0.0.1:9229:9229', does: 'a debugger, for this host' },
    { line: 'tsbridge publish web@shop 8080:80 --by-name', does: 'also for its successors' },
    { line: 'tsbridge publish --list', does: 'what is published, by whom, since when' },
  ],
  exits: {
    ok: 'it is published; with --list: something is',
    failed:
      'it could not be done, or the daemon does not run; with --list: nor could its records be read',
    usage: 'wrong command line',
    differs: 'it was published already; with --if-free: a port is taken; with --list: nothing is',
  },
  schema: 'publish',
  timeoutMs: 60_000,
  async ask({ words, flags, request, terminal, config }) {
    if (flags.list) {
      const { publications, ...head } = await listed({ config, request });
      const { container } = words;
      const items = publications.filter((each) => isOf(each, container));
      return { ...head, items, more: { already: false, taken: null } };
    }
    if (words.container === undefined || words.ports.length === 0) {
      throw new UsageError('which CONTAINER, and which ports? --list shows what is published');
    }
    if (flags['by-name'] && flags['until-stop']) {
      throw new UsageError('--by-name and --until-stop: which of the two?');
    }
    const { published, already, taken } = await request<PublishAnswer>('POST', '/v1/publish', {
      ...asked(words.container, terminal),
      ports: words.ports,
      kept: flags['by-name'] ? 'name' : flags['until-stop'] ? 'start' : 'container',
      ifFree: flags['if-free'],
    });
    return { source: 'daemon', warnings: [], items: published, more: { already, taken } };
  },
  show: ({ items, more }, { flags, terminal }) =>
    flags.list
      ? table(items, publicationColumns, {
          width: terminal.width,
          wide: false,
          columns: undefined,
          header: true,
        })
      : told(items, more as Pick<PublishAnswer, 'already' | 'taken'>),
  exit({ items, more }, { flags }) {
    if (flags.list) return items.length > 0 ? 'ok' : 'differs';
    return more?.already === true || more?.taken !== null ? 'differs' : 'ok';
  },
});

type Asking = Pick<Parameters<typeof readInventory>[0], 'config' | 'request'>;

/** Publications from the daemon, or from its records, which do not tell why one is not open. */
async function listed({ config, request }: Asking) {
  try {
    const { publications } = await request<{ publications: readonly PublicationDocument[] }>(
      'GET',
      '/v1/publications',
    );
    return { source: 'daemon' as const, warnings: [], publications };
  } catch (error) {
    return insteadOf(error, async (reason) => {
      const { publicationsIn } = await import('../../../operator/publishing.js');
      const registry = await registryOfRecords(config);
      const unreadable = registry.unreadable.all().map((each) => each.reason);
      const warnings = [`these are its records: ${reason}`, ...unreadable];
      return { source: 'records' as const, warnings, publications: publicationsIn(registry) };
    });
  }
}

function isOf({ container, containerId, network }: PublicationDocument, place?: string): boolean {
  if (place === undefined) return true;
  const [name = '', net] = place.split('@');
  if (net !== undefined && network.name !== net && !network.id.startsWith(net)) return false;
  return container === name || (containerId?.startsWith(name) ?? false);
}

function told(
  items: readonly PublicationDocument[],
  { already, taken }: Pick<PublishAnswer, 'already' | 'taken'>,
): TerminalText {
  if (taken !== null) return plain`nothing was published: ${taken}\n`;
  const verb = already ? 'published already:' : 'published';
  const lines = items.map((item) => plain`${verb} ${pathText(item)}, kept ${keptText(item)}\n`);
  return joined([...lines, plain`docker ps does not show it; tsbridge ports does\n`]);
}
