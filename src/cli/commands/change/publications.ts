/** What `tsbridge publish` and `unpublish` have in common: words, and how a publication is shown. */
import { parsePortWord } from '../../../core/publications/words.js';
import type { PublicationDocument } from '../../../operator/publishing.js';
import { plain, type TerminalText } from '../../output/fit.js';
import type { Column } from '../../output/table.js';
import { container, type Kind } from '../../table/kinds.js';
import type { Terminal } from '../../terminal.js';

/** `CONTAINER` or `CONTAINER@NETWORK`. */
export const place: Kind<string> = {
  ...container,
  accepts: `${container.accepts}; @NETWORK after it if it is on several`,
  placeholder: 'CONTAINER[@NETWORK]',
};

export const portWord: Kind<string> = {
  accepts: 'what docker run -p takes with a host port: 8080:80, 127.0.0.1:8000-8009:80-89/udp',
  placeholder: '[IP:]HOSTPORT[-END]:PORT[-END][/PROTOCOL]',
  parse(text) {
    const ports = parsePortWord(text);
    return typeof ports === 'string' ? undefined : ports.word;
  },
};

/**
 * The container, the network and the user behind sudo, as the daemon takes them. Names have no `@`, so that it
 * separates.
 */
export function asked(words: string, { environment }: Terminal) {
  const [name = '', network] = words.split('@');
  const { SUDO_USER: sudoUser } = environment;
  return {
    container: name,
    ...(network === undefined ? {} : { network }),
    ...(sudoUser === undefined || sudoUser === '' ? {} : { sudoUser }),
  };
}

/** `127.0.0.1:9229/tcp -> shop-web-1:9229 (shop)` */
export function pathText({ ports, container: name, network }: PublicationDocument): TerminalText {
  const [, host = ports, port = '', protocol = ''] = /^(.*):([\d-]+)\/(\w+)$/.exec(ports) ?? [];
  return plain`${host}/${protocol} -> ${name}:${port} (${network.name ?? network.id.slice(0, 12)})`;
}

export function keptText({ kept, container: name, containerId }: PublicationDocument): string {
  if (kept === 'start') return 'until the container stops';
  if (kept === 'name') return `for every container that is called ${name}, until it is unpublished`;
  return `for container ${containerId?.slice(0, 12)} until it is removed`;
}

const keptFor = { container: 'container', name: 'name', start: 'stop' } as const;

export const publicationColumns: readonly Column<PublicationDocument>[] = [
  { key: 'ports', title: 'PORTS', about: 'as published', rank: 0, cell: ({ ports }) => ports },
  {
    key: 'container',
    title: 'CONTAINER',
    about: 'its name then',
    rank: 0,
    cell: (item) => item.container,
  },
  {
    key: 'network',
    title: 'NETWORK',
    about: 'its name',
    rank: 1,
    cell: ({ network }) => network.name ?? network.id.slice(0, 12),
  },
  {
    key: 'state',
    title: 'STATE',
    about: 'whether it is open',
    rank: 0,
    cell: ({ state }) => state,
  },
  { key: 'kept', title: 'KEPT FOR', about: 'how long', rank: 2, cell: ({ kept }) => keptFor[kept] },
  {
    key: 'by',
    title: 'BY',
    about: 'who asked',
    rank: 3,
    cell: ({ asker }) => asker.sudoUser ?? (asker.uid === null ? '?' : String(asker.uid)),
  },
  {
    key: 'since',
    title: 'SINCE',
    about: 'when it was published',
    rank: 4,
    cell: ({ since }) => since,
  },
];
