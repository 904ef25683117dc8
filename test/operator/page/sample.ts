/** A small host for tests of the page, and a host in which every word of others is the same. */
import type { PageFacts } from '../../../src/operator/page/facts.js';
import type { PathPicture } from '../../../src/operator/picture/path-picture.js';

export const way: PathPicture = {
  title: '198.51.100.1 -> 192.0.2.10:8080/tcp, first packet of a flow, arrives on eth0',
  ways: [
    {
      conditions: ['if: the rate is within 5/min (rule filter DOCKER-USER 1)'],
      places: ['in', 'PREROUTING', 'routing', 'FORWARD'],
      stages: [
        { title: 'conntrack: new', decided: [], outcome: 'passed' },
        {
          title: 'nat PREROUTING',
          decided: ['PREROUTING 1 → DOCKER 2: -p tcp --dport 8080 -j DNAT --to 172.20.0.2:80'],
          outcome: 'passed',
        },
        { title: 'routing: br-51e0', decided: [], outcome: 'passed' },
        {
          title: 'filter FORWARD',
          decided: ['FORWARD 1 → DOCKER-USER 1: -i eth0 -j DROP  [the administrator]'],
          outcome: 'refused',
        },
      ],
      end: { outcome: 'refused', words: 'DROPPED by filter FORWARD' },
    },
  ],
};

export const facts: PageFacts = {
  host: 'host1',
  at: '2026-11-27T12:00:00.000Z',
  version: '0.2.0',
  source: 'the daemon',
  status: [['daemon', '0.2.0, serving, since 2026-11-27T11:00:00.000Z']],
  warnings: [],
  uplinks: [
    { name: 'eth0', addresses: ['192.0.2.10/24'] },
    { name: 'lo', addresses: ['this host only'] },
  ],
  bridges: [{ name: 'virbr0', addresses: ['192.168.122.1/24'] }],
  networks: [
    {
      ...{ name: 'shop', bridge: 'br-51e0', subnets: ['172.20.0.0/16'], mtu: 1500 },
      ...{ internal: false, state: 'ready' },
    },
    {
      ...{ name: 'data', bridge: 'br-90be', subnets: ['172.21.0.0/16'], mtu: null },
      ...{ internal: true, state: 'ready' },
    },
  ],
  containers: [
    {
      ...{ name: 'web', project: 'shop' },
      endpoints: [
        { network: 0, addresses: ['172.20.0.2/16'], mac: '02:42:ac:14:00:02', veth: 'veth1' },
        { network: 1, addresses: ['172.21.0.2/16'], mac: '02:42:ac:15:00:02', veth: 'veth2' },
      ],
    },
    {
      ...{ name: 'db', project: undefined },
      endpoints: [
        { network: 1, addresses: ['172.21.0.3/16'], mac: '02:42:ac:15:00:03', veth: 'veth3' },
      ],
    },
  ],
  ports: [
    {
      ...{ address: '0.0.0.0', label: '0.0.0.0:8080/tcp', to: ':80', container: 0 },
      ...{ network: 'shop', path: 'dnat', by: 'docker', listens: 'yes (nginx)', isHeard: 'yes' },
      ...{ reach: 'elsewhere, lan, host', way, from: 'elsewhere', destination: ':8080/tcp' },
      family: 4,
    },
    {
      ...{ address: '127.0.0.1', label: '127.0.0.1:5432/tcp', to: ':5432', container: 1 },
      ...{ network: 'data', path: 'proxy', by: 'operator', listens: 'NO: nobody', isHeard: 'no' },
      ...{ reach: 'host', way: undefined, from: 'host', destination: '127.0.0.1:5432/tcp' },
      family: 4,
    },
  ],
  findings: [
    {
      ...{ severity: 'error', code: 'ip-forward-off', object: 'this host' },
      ...{ evidence: 'net.ipv4.ip_forward is 0', means: 'Nothing is forwarded.' },
      command: 'sysctl -w net.ipv4.ip_forward=1',
    },
  ],
  notChecked: ['engine-down'],
  events: [{ at: '2026-11-27T11:59:00.000Z', kind: 'repair', words: 'rules, changed by iptables' }],
  lastEvent: '41',
};

/** The sample with this word in the place of each text. Words of the code (`error`, `dnat`) and addresses of ports stay. */
export function saying(word: string): PageFacts {
  const own = new Set(['severity', 'path', 'isHeard', 'outcome', 'places', 'from', 'address']);
  const said = (value: unknown, key = ''): unknown => {
    if (own.has(key)) return value;
    if (typeof value === 'string') return word;
    if (Array.isArray(value)) return value.map((each) => said(each));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, said(each, name)]),
    );
  };
  return said(facts) as PageFacts;
}

/** A host with so many containers, in projects of ten; every third has a published port. */
export function crowd(count: number): PageFacts {
  const [port] = facts.ports;
  if (port === undefined) throw new Error('the sample has a port');
  const indexes = Array.from({ length: count }, (_, index) => index);
  return {
    ...facts,
    containers: indexes.map((index) => ({
      ...{ name: `c${index}`, project: `p${Math.floor(index / 10)}` },
      endpoints: [
        {
          ...{ network: index % 2, addresses: [`172.20.${index >> 8}.${index & 255}/16`] },
          ...{ mac: '02:42:ac:14:00:02', veth: `veth${index}` },
        },
      ],
    })),
    ports: indexes
      .filter((index) => index % 3 === 0)
      .map((container) => ({
        ...{ ...port, container, way: undefined },
        label: `0.0.0.0:${8_000 + container}/tcp`,
      })),
  };
}
