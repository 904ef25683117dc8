/** `tsbridge unpublish`: takes back what `tsbridge publish` has published. */
import type { PublicationDocument } from '../../../operator/publishing.js';
import { reportCommand } from '../../define.js';
import { joined, plain } from '../../output/fit.js';
import { flag, required, several } from '../../table/entry.js';
import { UsageError } from '../../table/parse.js';
import { asked, pathText, place, portWord } from './publications.js';

export const unpublishCommand = reportCommand({
  name: 'unpublish',
  summary: 'take back ports that were published beside docker run -p',
  about: [
    'The container may run or not. Connections that the proxy carries end; connections that go by the ' +
      "kernel's rules go on until one side ends them. Ports of docker run -p are the engine's, and stay.",
  ],
  words: {
    container: required(
      place,
      'whose ports',
      'which CONTAINER? tsbridge publish --list names them',
    ),
    ports: several(portWord, 'the words with which they were published'),
  },
  flags: { all: flag('all that is published for it') },
  examples: [
    { line: 'tsbridge unpublish shop-web-1 127.0.0.1:9229:9229', does: 'these ports' },
    {
      line: 'tsbridge unpublish shop-web-1 --all',
      does: 'all ports that an operator has published',
    },
  ],
  exits: {
    ok: 'they are not published any more',
    failed: 'it could not be done, they were not published, or the daemon does not run',
    usage: 'wrong command line',
    differs: 'with --all: nothing was published',
  },
  schema: 'unpublish',
  timeoutMs: 60_000,
  async ask({ words, flags, request, terminal }) {
    if (flags.all === words.ports.length > 0) {
      throw new UsageError('which ports? name them, or give --all');
    }
    const { unpublished } = await request<{ unpublished: readonly PublicationDocument[] }>(
      'POST',
      '/v1/unpublish',
      {
        ...asked(words.container, terminal),
        ...(flags.all ? {} : { ports: words.ports }),
      },
    );
    return { source: 'daemon', warnings: [], items: unpublished };
  },
  show: ({ items }) =>
    items.length === 0
      ? plain`nothing was published\n`
      : joined(items.map((item) => plain`unpublished ${pathText(item)}\n`)),
  exit: ({ items }) => (items.length === 0 ? 'differs' : 'ok'),
});
