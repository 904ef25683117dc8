/** Checks of the host’s kernel, of its start, and of other programs that write rules for all of its packets. */
import { check, type Found, shell, wholeHost } from '../check.js';
import type { FactParts } from '../facts.js';

/** Node.js 24, which the daemon runs on, is built for this and later. */
const needed = [4, 18] as const;

/** Features that tsbridge uses only from a kernel version on, and the words for what happens with an older kernel. */
const later: readonly (readonly [readonly [number, number], string])[] = [
  [[5, 8], 'tracked flows are searched for in the whole table'],
  [[5, 12], 'a killed tsbridge trace leaves its table until the next one'],
];

/** Major and minor version; undefined: the text does not begin with two numbers. */
function versionOf(release: string): readonly [number, number] | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

const isBefore = (a: readonly [number, number], b: readonly [number, number]): boolean =>
  a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);

/**
 * Whether a bridge is one that the engine makes by itself: those have names of this form, unless somebody named them.
 */
const isOfEngine = (name: string): boolean =>
  /^(docker0|docker_gwbridge|br-[0-9a-f]{12})$/.test(name);

/**
 * Names of bridges that are neither tsbridge’s nor the engine’s, have ports, and whose frames chain FORWARD drops: its
 * policy is DROP, and no rule accepts what goes from the bridge to the same bridge.
 */
function bridgesOfOthers({
  records,
  links,
  rules,
}: Pick<FactParts, 'records' | 'links' | 'rules'>): string[] {
  const own = new Set<string>(records.networks.map(({ spec }) => spec.bridge));
  const filters = rules.filter(({ family, name }) => family === 4 && name === 'filter');
  if (!filters.some(({ chains }) => chains.get('FORWARD')?.policy === 'DROP')) return [];
  const texts = filters.flatMap(({ chains }) =>
    [...chains.values()].flatMap((chain) => chain.rules.map(({ text }) => text)),
  );
  return links
    .filter(({ kind, name }) => kind === 'bridge' && !own.has(name) && !isOfEngine(name))
    .map(({ name }) => name)
    .filter((name) => links.some(({ master }) => master === name))
    .filter((name) => !texts.some((text) => text.includes(`-i ${name} -o ${name} `)));
}

/** Beginnings of the names of chains that kube-proxy and Calico make. */
const ofKubernetes = /^(KUBE-|cali-)/;

export const hostChecks = [
  check({
    code: 'kernel-too-old',
    severity: 'warning',
    detects: 'The kernel is older than Linux 4.18.',
    means:
      'Nobody has tried tsbridge on it, nor the Node.js in its packages; isolated ports and filtered lists of the kernel are missing.',
    remedy: 'Install a later kernel of the distribution; the command says which one runs.',
    hides: ['kernel-without-features'],
    needs: ['kernel'],
    find({ kernel }) {
      const version = versionOf(kernel);
      if (version === undefined || !isBefore(version, needed)) return [];
      return [{ object: wholeHost, evidence: `this is Linux ${kernel}`, command: 'uname -a' }];
    },
  }),
  check({
    code: 'kernel-without-features',
    severity: 'notice',
    detects:
      'The kernel is older than one with which tsbridge does some of its work better (Linux 5.12).',
    means: 'The evidence says what is slower or not there; networks work.',
    remedy: 'Nothing has to be done. The command says which kernel runs.',
    needs: ['kernel'],
    find({ kernel }): Found[] {
      const version = versionOf(kernel);
      const missing = later.filter(([since]) => version !== undefined && isBefore(version, since));
      if (missing.length === 0) return [];
      const words = missing.map(([since, what]) => `${what} (Linux ${since.join('.')} does not)`);
      const evidence = `this is Linux ${kernel}: ${words.join('; ')}`;
      return [{ object: wholeHost, evidence, command: 'uname -a' }];
    },
  }),
  check({
    code: 'trace-left',
    severity: 'notice',
    detects:
      'The table of a tsbridge trace that was killed is still there, on a kernel before Linux 5.12.',
    means:
      'Its rules match nothing, and each packet of the host takes a fraction of a microsecond longer.',
    remedy: 'The command deletes the table; so does the next tsbridge trace.',
    needs: ['leftTraces'],
    find: ({ leftTraces }) =>
      leftTraces.map((name) => ({
        object: name,
        evidence: `nobody renews table inet ${name}`,
        command: shell`nft delete table inet ${name}`,
      })),
  }),
  check({
    code: 'starts-after-docker',
    severity: 'warning',
    detects: 'tsbridge is installed for systemd, and its socket is not enabled.',
    means:
      'After the next start of the host the engine finds no driver: each container on a network of tsbridge keeps it waiting, and does not start.',
    remedy: 'The command makes systemd listen on the socket before Docker, now and at every start.',
    needs: ['socketUnit'],
    find: ({ socketUnit }) =>
      socketUnit === 'disabled'
        ? [
            {
              object: wholeHost,
              evidence: 'nothing in /etc/systemd/system wants tsbridge.socket',
              command: 'systemctl enable --now tsbridge.socket',
            },
          ]
        : [],
  }),
  check({
    code: 'engine-stops-containers',
    severity: 'notice',
    detects: 'The engine was started without live-restore.',
    means: 'All containers stop whenever dockerd does, also for an update of it.',
    remedy:
      'Add "live-restore": true to /etc/docker/daemon.json, unless the host is in a swarm, and reload the engine by the command.',
    needs: ['engine'],
    find: ({ engine: { settings } }) =>
      settings?.liveRestore === false
        ? [
            {
              object: wholeHost,
              evidence: 'neither dockerd’s arguments nor its file have live-restore',
              command: 'systemctl reload docker',
            },
          ]
        : [],
  }),
  check({
    code: 'kubernetes-present',
    severity: 'notice',
    detects: 'Chains of kube-proxy or Calico are in iptables, beside those of Docker.',
    means:
      'Two programs decide what FORWARD passes, and what comes first does so: a policy DROP of either is for packets of both.',
    remedy:
      'The command shows the order. `tsbridge explain` tells what becomes of a certain packet.',
    needs: ['rules'],
    find({ rules }) {
      const names = rules.flatMap(({ chains }) => [...chains.keys()]);
      const found = [...new Set(names.filter((name) => ofKubernetes.test(name)))].sort();
      if (found.length === 0) return [];
      const more = found.length > 3 ? `, and ${found.length - 3} more` : '';
      const evidence = `chains ${found.slice(0, 3).join(', ')}${more}`;
      return [{ object: wholeHost, evidence, command: 'iptables -S FORWARD' }];
    },
  }),
  check({
    code: 'bridge-nf-call-others',
    severity: 'notice',
    detects:
      'Frames of bridges pass iptables, FORWARD has the policy DROP, and no rule accepts what passes inside of a bridge of others.',
    means:
      'Machines on that bridge do not reach each other by IPv4, although no packet of theirs is forwarded.',
    remedy:
      'The command accepts what stays on the bridge, and nothing else. Where no network has icc=false, net.bridge.bridge-nf-call-iptables=0 does it for all bridges.',
    needs: ['records', 'settings', 'links', 'rules'],
    find: (facts) =>
      facts.settings.get('net/bridge/bridge-nf-call-iptables') === '1'
        ? bridgesOfOthers(facts).map((name) => ({
            object: name,
            evidence: `net.bridge.bridge-nf-call-iptables = 1, and no rule accepts from ${name} to ${name}`,
            command: shell`iptables -I FORWARD -i ${name} -o ${name} -j ACCEPT`,
          }))
        : [],
  }),
];
