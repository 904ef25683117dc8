/** The manual pages, from the same tables as `--help`. */

import type { Command } from '../src/cli/table/entry.js';
import { exitRows, flagRows, overviewExits, usageText } from '../src/cli/table/help.js';
import { commands } from '../src/cli/table.js';
import { environmentName, fallbackText, fieldNames, fields } from '../src/config/fields.js';
import type { Release } from './release.js';
import { manualPage, type Part } from './roff.js';

const listed = commands.filter(({ hidden }) => hidden !== true);

function partsOf(command: Command): Part[] {
  const { summary, about, words, flags, examples, exits, notes } = command;
  const terms = (rows: readonly (readonly [string, string])[]): Part[] =>
    rows.length === 0 ? [] : [{ terms: rows }];
  return [
    { verbatim: `tsbridge ${usageText(command)}` },
    { text: `${summary[0]?.toUpperCase()}${summary.slice(1)}.` },
    ...about.map((text) => ({ text })),
    ...terms(Object.entries(words).map(([name, { help }]) => [name.toUpperCase(), help])),
    ...terms(Object.keys(flags).length === 0 ? [] : flagRows(command)),
    ...(command.columns === undefined ? [] : [{ text: 'Columns:' }, { terms: command.columns }]),
    ...(notes === undefined ? [] : [{ text: notes.trimEnd() }]),
    ...terms(examples.map(({ line, does }) => [line, does])),
    ...(Object.keys(exits).length === 0
      ? []
      : [{ text: 'Exit status:' }, { terms: exitRows(command) }]),
  ];
}

/** Path below the root of the host → compressed page. */
export function manualPages({ version, epoch }: Release): Readonly<Record<string, Buffer>> {
  const page = (
    name: string,
    section: number,
    summary: string,
    sections: Parameters<typeof manualPage>[5],
  ): [string, Buffer] => [
    `usr/share/man/man${section}/${name}.${section}.gz`,
    manualPage(name, section, summary, epoch, version, sections),
  ];
  return Object.fromEntries([
    page('tsbridge', 8, 'bridge networks for Docker, as its own driver makes them', [
      { title: 'Synopsis', parts: [{ text: 'tsbridge COMMAND [FLAGS]' }] },
      {
        title: 'Description',
        parts: [
          {
            text:
              'A network driver for Docker: docker network create -d tsbridge NAME makes a network that is ' +
              "like one of Docker's own bridge driver.",
          },
        ],
      },
      {
        title: 'Commands',
        parts: [{ terms: listed.map(({ name, summary }) => [`tsbridge ${name}`, summary]) }],
      },
      ...listed.map((command) => ({
        title: `tsbridge ${command.name}`,
        parts: partsOf(command),
      })),
      { title: 'Exit status', parts: [{ terms: overviewExits }] },
      {
        title: 'Files',
        parts: [
          {
            terms: [
              ['/etc/tsbridge/config.json', 'settings of the daemon; see tsbridge.json(5)'],
              ['/etc/default/tsbridge', 'the same as TSBRIDGE_… variables'],
              ['/var/lib/tsbridge', 'records of networks and endpoints'],
              ['/run/tsbridge', 'sockets between the processes of tsbridge'],
              ['/run/docker/plugins/tsbridge.sock', 'where the engine finds the driver'],
            ],
          },
        ],
      },
      { title: 'See also', parts: [{ text: 'tsbridge.json(5), docker-network(1), iptables(8)' }] },
    ]),
    page('tsbridge.json', 5, 'settings of the tsbridge daemon', [
      {
        title: 'Description',
        parts: [
          {
            text:
              'One JSON object in /etc/tsbridge/config.json. A flag of the daemon beats the environment, which ' +
              'beats the file. An unknown key or a value that cannot be read is an error, and the daemon ' +
              'does not start.',
          },
          { verbatim: '{\n  "userland-proxy": false\n}' },
        ],
      },
      {
        title: 'Settings',
        parts: [
          {
            terms: fieldNames
              .filter((name) => fields[name].inFile !== false)
              .map((name) => [
                `"${fields[name].flag}"`,
                `${fields[name].help}. Takes ${fields[name].kind.accepts}; ${fallbackText(name)} by ` +
                  `default. In the environment: ${environmentName(name)}.`,
              ]),
          },
        ],
      },
      { title: 'See also', parts: [{ text: 'tsbridge(8)' }] },
    ]),
  ]);
}
