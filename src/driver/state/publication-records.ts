/** Publications on disk. Reading a record is as careful as reading a request. */
import { DriverError } from '../../core/errors.js';
import {
  type EngineName,
  parseContainerId,
  parseEndpointId,
  parseEngineName,
  parseNetworkId,
} from '../../core/names.js';
import {
  type Asker,
  type Kept,
  type Publication,
  parsePublicationId,
  parseUserName,
} from '../../core/publications/publication.js';
import { parsePortWord } from '../../core/publications/words.js';
import { objectField, textField, unreadableField } from '../../core/record-fields.js';

/** Without the requests: a reader parses them from the word again. */
export function encodePublication({ requests: _, ...publication }: Publication): unknown {
  return publication;
}

/** Throws `record-unreadable`; the store adds the name of the file. */
export function decodePublication(value: unknown): Publication {
  const fields = objectField(value, 'record');
  const id = parsePublicationId(textField(fields.id, 'id'));
  if (id === undefined) throw unreadableField('id', '32 hexadecimal digits');
  const ports = parsePortWord(textField(fields.word, 'word'));
  if (typeof ports === 'string') {
    throw new DriverError('record-unreadable', `its field word: ${ports}`);
  }
  const network = objectField(fields.network, 'network');
  const networkId = parseNetworkId(textField(network.id, 'network'));
  if (networkId === undefined) throw unreadableField('network', 'an id');
  return {
    id,
    kept: kept(objectField(fields.kept, 'kept')),
    container: name(fields.container, 'container'),
    network: {
      id: networkId,
      name: network.name === undefined ? undefined : name(network.name, 'network'),
    },
    ...ports,
    asker: asker(objectField(fields.asker, 'asker')),
    since: textField(fields.since, 'since'),
  };
}

function kept(fields: Readonly<Record<string, unknown>>): Kept {
  if (fields.for === 'name') return { for: 'name' };
  const container = fields.for === 'container' && parseContainerId(`${fields.container}`);
  if (container) return { for: 'container', container };
  const endpoint = fields.for === 'start' && parseEndpointId(`${fields.endpoint}`);
  if (endpoint) return { for: 'start', endpoint };
  throw unreadableField('kept', 'a container, a name or a start');
}

function name(value: unknown, field: string): EngineName {
  const parsed = parseEngineName(textField(value, field));
  if (parsed === undefined) throw unreadableField(field, 'a name');
  return parsed;
}

function asker({ uid, sudoUser }: Readonly<Record<string, unknown>>): Asker {
  if (uid !== undefined && typeof uid !== 'number') throw unreadableField('asker', 'a user');
  return {
    uid,
    sudoUser: sudoUser === undefined ? undefined : parseUserName(textField(sudoUser, 'asker')),
  };
}
