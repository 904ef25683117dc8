/** Connection tracking that strangers have filled. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('conntrack')) {
  t.plan(0, 'needs the program conntrack');
  process.exit(0);
}
const { addressBytes, familyOf, parseIp } = await import('../../src/core/address.js');
const { parsePort } = await import('../../src/core/ports/port.js');
const { ConntrackNetlink } = await import('../../src/host/netlink/conntrack.js');
const { RequestBatches, mostRequests } = await import(
  '../../src/host/netlink/socket/request-batch.js'
);
const { netlinkProtocol } = await import('../../src/host/netlink/socket/netlink-socket.js');
const message = await import('../../src/codec/netlink/netlink-message.js');

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
const ip = (text: string) => known(parseIp(text));
type Ip = ReturnType<typeof ip>;
const port = (value: number) => known(parsePort(value));

/** As a busy resolver, or anybody who sends datagrams from many ports, leaves them. */
const flood = 100_000;
const batches = new RequestBatches(netlinkProtocol.netfilter);

/** IPCTNL_MSG_CT_NEW for UDP: as if a datagram had come from that port. */
function newFlow(source: Ip, sourcePort: number, destination: Ip, destinationPort: number) {
  const { attribute, nested, u8, u16Be } = message;
  const isIpv4 = familyOf(destination) === 4;
  const [from, to] = isIpv4 ? [1, 2] : [3, 4];
  const tuple = (kind: number, ends: readonly [Ip, number][]) =>
    nested(
      kind,
      nested(
        1,
        attribute(from ?? 0, addressBytes(known(ends[0])[0])),
        attribute(to ?? 0, addressBytes(known(ends[1])[0])),
      ),
      nested(
        2,
        attribute(1, u8(17)),
        attribute(2, u16Be(known(ends[0])[1])),
        attribute(3, u16Be(known(ends[1])[1])),
      ),
    );
  const client: [Ip, number] = [source, sourcePort];
  const server: [Ip, number] = [destination, destinationPort];
  const body = Buffer.concat([
    Buffer.from([isIpv4 ? 2 : 10, 0, 0, 0]),
    tuple(1, [client, server]),
    tuple(2, [server, client]),
    // CTA_TIMEOUT: 600 s
    attribute(7, Buffer.from([0, 0, 2, 88])),
  ]);
  return { type: 0x100, flags: 0x600, body };
}

const portsOfOne = 60_000;

/** @param source all but the last digit of the address */
async function fill(
  count: number,
  source: string,
  destination: string,
  destinationPort: number,
): Promise<void> {
  for (let first = 0; first < count; first += mostRequests) {
    const size = Math.min(mostRequests, count - first);
    const requests = Array.from({ length: size }, (_, index) => {
      const number = first + index;
      const client = ip(`${source}${1 + Math.floor(number / portsOfOne)}`);
      return newFlow(client, 1024 + (number % portsOfOne), ip(destination), destinationPort);
    });
    await batches.send(requests, []);
  }
}

const tracked = () => Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_count', 'utf8'));

interface Observation {
  /** Most flows that went while the event loop had no turn. */
  readonly largestStep: number;
  /** Bytes in use more than before, of V8 and of buffers; below half of {@link most}, also what could be collected. */
  readonly memory: number;
}

const megabyte = 1024 * 1024;
/** Bytes: 251 for each flow of the flood. */
const most = 24 * megabyte;
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What the event loop sees while `work` runs. */
async function observe(work: () => Promise<void>): Promise<Observation> {
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  collectGarbage();
  const before = used();
  let [last, largestStep, memory] = [tracked(), 0, 0];
  let isDone = false;
  const look = (): void => {
    const left = tracked();
    largestStep = Math.max(largestStep, last - left);
    last = left;
    let now = used() - before;
    // How much garbage there is depends on when V8 collects it, not on what is held.
    if (now > most / 2) {
      collectGarbage();
      now = used() - before;
    }
    memory = Math.max(memory, now);
    if (!isDone) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isDone = true;
  look();
  return { largestStep, memory };
}

/** As this kernel can, and as older ones can. */
for (const removesByFilter of [true, false]) {
  const how = removesByFilter ? 'with removal by filter' : 'on a kernel without removal by filter';

  t.test(`a flood of IPv6 flows is not held in memory, ${how}`, async (t) => {
    const conntrack = new ConntrackNetlink(removesByFilter);
    run('conntrack', ['-F']);
    await fill(flood, 'fd00:1::a', 'fd00:2::7', 53);
    await fill(3, 'fd00:1::b', 'fd00:2::6', 53);
    const began = performance.now();
    const seen = await observe(() => conntrack.removeFlowsOf([ip('fd00:2::6'), ip('10.0.0.1')]));
    t.comment(`${Math.round(performance.now() - began)} ms, ${JSON.stringify(seen)}`);
    t.equal(tracked(), flood, 'only the three of the container are gone');
    t.ok(seen.memory < most, `${seen.memory} bytes`);
  });

  t.test(`IPv6 flows of a container go in bounded steps, ${how}`, async (t) => {
    const conntrack = new ConntrackNetlink(removesByFilter);
    const began = performance.now();
    const seen = await observe(() => conntrack.removeFlowsOf([ip('fd00:2::7')]));
    t.comment(`${Math.round(performance.now() - began)} ms, ${JSON.stringify(seen)}`);
    t.equal(tracked(), 0);
    t.ok(seen.largestStep <= 2 * mostRequests, `${seen.largestStep} flows`);
    t.ok(seen.memory < most, `${seen.memory} bytes`);
  });

  t.test(`UDP flows to one published port, ${how}`, async (t) => {
    const conntrack = new ConntrackNetlink(removesByFilter);
    await fill(flood, '10.0.1.', '10.0.0.7', 53);
    await fill(5, '10.0.2.', '10.0.0.7', 54);
    const began = performance.now();
    const seen = await observe(() => conntrack.removeUdpFlowsTo([{ family: 4, port: port(53) }]));
    t.comment(`${Math.round(performance.now() - began)} ms, ${JSON.stringify(seen)}`);
    t.equal(tracked(), 5);
    if (!removesByFilter) {
      t.ok(seen.largestStep <= 2 * mostRequests, `${seen.largestStep} flows`);
    }
    t.ok(seen.memory < most, `${seen.memory} bytes`);
  });
}

t.teardown(() => batches.close());
