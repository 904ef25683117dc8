/** `tsbridge schema [NAME]`: what the documents of `--json` look like. */
import { command } from '../define.js';
import { fitJson, joined, plain } from '../output/fit.js';
import { columns } from '../output/lines.js';
import { documentSchema, schemaNames, schemas } from '../schemas/all.js';
import { optional } from '../table/entry.js';
import { words } from '../table/kinds.js';

export const schemaCommand = command({
  name: 'schema',
  summary: 'the JSON Schema of what a command prints with --json',
  about: [
    'Each document says in its first key which schema it has: "tsbridge.status/1". Within one number only ' +
      'keys and words of enumerations are added: a reader has to accept those that it does not know.',
  ],
  words: { name: optional(words(schemaNames), 'which; without, all are listed') },
  flags: {},
  examples: [{ line: 'tsbridge schema status', does: 'the schema of tsbridge status --json' }],
  exits: { ok: 'printed', usage: 'there is no such schema' },
  run({ words: { name } }, terminal) {
    if (name === undefined) {
      terminal.out(columns(schemaNames.map((each) => [each, schemas[each].about])));
    } else terminal.out(joined([fitJson(documentSchema(name), 2), plain`\n`]));
    return Promise.resolve('ok');
  },
});
