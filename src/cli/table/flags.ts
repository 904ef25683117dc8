/** Flags that many commands have. */
import { fields } from '../../config/fields.js';
import { filterKind } from '../output/rows.js';
import { flag, optional, type Parameters, several } from './entry.js';
import { duration, filePath, folderPath, runtimeFolder, text, words } from './kinds.js';

export const outputFlags = {
  json: flag('one JSON document on standard output (see tsbridge schema), and nothing else'),
  color: optional(words(['auto', 'always', 'never']), 'when to use colour (auto)'),
} satisfies Parameters;

/** Where the daemon and its records are. */
export const daemonFlags = {
  'runtime-dir': optional(
    runtimeFolder,
    "the daemon's, if it is not the default or in its configuration",
  ),
  'state-dir': optional(folderPath, 'likewise, for the records that are read when it does not run'),
  config: optional(filePath, `the daemon's settings, in place of ${fields.configFile.fallback}`),
  timeout: optional(duration(0.1, 600), 'when something that does not answer is given up'),
} satisfies Parameters;

export const tableFlags = {
  wide: flag('every column, however long the lines are'),
  columns: optional(
    text('names of columns with commas between', 'A,B'),
    'these columns, in this order',
  ),
  sort: optional(
    text('the name of a column', 'COLUMN'),
    'order by this column; -COLUMN: from the largest',
  ),
  filter: several(filterKind, 'only items with this value; one key again: or, another key: and'),
  'no-header': flag('leave the titles of the columns out'),
} satisfies Parameters;

export const watchFlags = {
  watch: optional(
    { ...duration(0.5, 3600), alone: '2' },
    'again and again, every 2 or so many seconds; with --json a line whenever something changed',
  ),
} satisfies Parameters;

export const namesFlags = {
  'no-names': flag('ids and addresses only; Docker is asked for nothing'),
} satisfies Parameters;
