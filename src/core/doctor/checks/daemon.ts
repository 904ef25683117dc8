/** Checks of the daemon, its records and the engine. */
import { check, type Found, wholeHost } from '../check.js';
import type { Daemon, DaemonStatus } from '../facts.js';

function ofStatus(daemon: Daemon, find: (status: DaemonStatus) => Found[]): Found[] {
  return daemon.state === 'answers' ? find(daemon) : [];
}

export const daemonChecks = [
  check({
    code: 'daemon-down',
    severity: 'error',
    detects: 'Nobody listens on the socket of the daemon.',
    means:
      'Containers keep what they have; none can be started or connected, and nothing is repaired.',
    remedy: 'The command starts it. `journalctl -u tsbridge` says why it ended.',
    hides: ['plugin-socket-missing', 'port-not-held', 'proxy-dead'],
    needs: ['daemon'],
    find: ({ daemon }) =>
      daemon.state === 'absent'
        ? [{ object: wholeHost, evidence: daemon.words, command: 'systemctl start tsbridge' }]
        : [],
  }),
  check({
    code: 'daemon-silent',
    severity: 'error',
    detects: 'The daemon takes connections on its socket, and does not answer in time.',
    means: 'Calls of the engine most likely wait, too, and are given up after 15 s.',
    remedy: 'The command shows what it does. A restart interrupts no connection of a container.',
    needs: ['daemon'],
    find: ({ daemon }) =>
      daemon.state === 'silent'
        ? [{ object: wholeHost, evidence: daemon.words, command: 'tsbridge logs --since 10m' }]
        : [],
  }),
  check({
    code: 'recovery-failed',
    severity: 'error',
    detects: 'The daemon runs, and could not take up what its records say.',
    means: 'Every call of the engine is answered with the error.',
    remedy: 'The command shows the error; docs/errors.md says what to do about its code.',
    hides: ['degraded', 'drift'],
    needs: ['daemon'],
    find: ({ daemon }) =>
      ofStatus(daemon, ({ recovery }) =>
        recovery === 'failed'
          ? [
              {
                object: wholeHost,
                evidence: 'recovery failed',
                command: 'tsbridge logs --since 1h',
              },
            ]
          : [],
      ),
  }),
  check({
    code: 'plugin-socket-missing',
    severity: 'error',
    detects: 'The socket by which engines find the driver is not there.',
    means: 'The engine does not find tsbridge: no container on its networks can be started.',
    remedy: 'The command makes systemd listen on it, from now on at every start before Docker.',
    needs: ['plugin'],
    find: ({ plugin }) =>
      plugin.isThere
        ? []
        : [
            {
              object: wholeHost,
              evidence: `there is no socket ${plugin.path}`,
              command: 'systemctl enable --now tsbridge.socket',
            },
          ],
  }),
  check({
    code: 'records-unreadable',
    severity: 'error',
    detects: 'A record in the state folder cannot be read.',
    means: 'The network or container of the record is not served, and nothing of it is repaired.',
    remedy:
      'The command tells more. Restore the file from a backup, or move it away, and remove with the engine what it was about.',
    hides: ['degraded'],
    needs: ['records'],
    find: ({ records: { unreadable } }) => {
      const [first] = unreadable;
      if (first === undefined) return [];
      const more = unreadable.length === 1 ? '' : `; and ${unreadable.length - 1} more`;
      return [{ object: wholeHost, evidence: `${first}${more}`, command: 'tsbridge status' }];
    },
  }),
  check({
    code: 'repairs-undone',
    severity: 'error',
    detects:
      'The daemon has stepped back, because another program undoes its repairs again and again.',
    means: 'The host is as the other program leaves it for most of the time.',
    remedy:
      'The command tells who it is, as it happens. Stop it, or make it leave Docker’s chains and bridges alone.',
    hides: ['drift', 'degraded', 'chains-missing', 'rules-missing'],
    needs: ['daemon'],
    find: ({ daemon }) =>
      ofStatus(daemon, ({ undone }) =>
        undone.length === 0
          ? []
          : [
              {
                object: wholeHost,
                evidence: undone.map(({ concern, by }) => `${concern}, by ${by}`).join('; '),
                command: 'tsbridge events --follow --kind repair',
              },
            ],
      ),
  }),
  check({
    code: 'drift',
    severity: 'warning',
    detects:
      'The daemon finds something on the host that is not as it should be, and has not repaired it yet.',
    means: 'What differs does not work as it should.',
    remedy:
      'The command repairs it now. If it comes again, tsbridge events --kind repair tells who changes it.',
    settles: true,
    needs: ['daemon'],
    find: ({ daemon }) =>
      ofStatus(daemon, ({ drift: { count, first } }) =>
        count === 0
          ? []
          : [
              {
                object: wholeHost,
                evidence: `${count} changes: ${first.slice(0, 3).join('; ')}`,
                command: 'tsbridge reconcile',
              },
            ],
      ),
  }),
  check({
    code: 'degraded',
    severity: 'warning',
    detects: 'The daemon says that something does not work as it should.',
    means: 'It says what.',
    remedy: 'The command tells all of it.',
    settles: true,
    needs: ['daemon'],
    find: ({ daemon }) =>
      ofStatus(daemon, ({ degraded }) =>
        degraded.length === 0
          ? []
          : [{ object: wholeHost, evidence: degraded.join('; '), command: 'tsbridge status' }],
      ),
  }),
  check({
    code: 'engine-forgot',
    severity: 'warning',
    detects: 'The daemon has networks or endpoints that the engine does not list any more.',
    means: 'Their addresses, rules and ports stay taken.',
    remedy:
      'The command asks the engine twice, and removes what both answers prove to be forgotten.',
    needs: ['daemon'],
    find: ({ daemon }) =>
      ofStatus(daemon, ({ forgotten }) =>
        forgotten.length === 0
          ? []
          : [
              {
                object: wholeHost,
                evidence: forgotten.slice(0, 3).join('; '),
                command: 'tsbridge gc',
              },
            ],
      ),
  }),
  check({
    code: 'engine-down',
    severity: 'warning',
    detects: 'The engine does not answer on its socket.',
    means: 'Containers keep what they have; none can be started, and names are those of before.',
    remedy: 'The command starts it.',
    needs: ['engine'],
    find: ({ engine: { answers, socket, processes } }) =>
      answers === false
        ? [
            {
              object: wholeHost,
              evidence: `no answer on ${socket}; ${processes} processes dockerd here`,
              command: 'systemctl start docker',
            },
          ]
        : [],
  }),
  check({
    code: 'engine-settings-differ',
    severity: 'warning',
    detects:
      'dockerd was started with settings for networks that tsbridge was told otherwise, such as userland-proxy.',
    means: 'Networks of tsbridge behave otherwise than those of the built-in driver.',
    remedy: 'The command takes them over; a restart of tsbridge uses them.',
    needs: ['engine'],
    find: ({ engine: { differences } }) =>
      differences.length === 0
        ? []
        : [
            {
              object: wholeHost,
              evidence: differences
                .map(({ key, ours, engine }) => `${key}: dockerd has ${engine}, tsbridge ${ours}`)
                .join('; '),
              command: 'tsbridge setup',
            },
          ],
  }),
];
