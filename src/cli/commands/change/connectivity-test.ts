/** `tsbridge connectivity-test`: real connections over a throwaway network, and what should become of each. */
import type { PathTest } from '../../../core/connectivity/path.js';
import { messageOf } from '../../../core/errors.js';
import type { Call, CallFlags } from '../../call.js';
import { reportCommand } from '../../define.js';
import { openInventory } from '../../inventory/open.js';
import type { Report } from '../../output/envelope.js';
import { joined, plain, type TerminalText } from '../../output/fit.js';
import type { ConnectionItem } from '../../schemas/connectivity.js';
import { optional, type Parameters, several } from '../../table/entry.js';
import { filePath, network, text } from '../../table/kinds.js';
import { UsageError } from '../../table/parse.js';
import { isNetwork } from '../labels.js';

const part = text('a part of the names of connections, such as published-port', 'NAME');

export const connectivityTestCommand = reportCommand({
  name: 'connectivity-test',
  summary: 'make a throwaway network, and see by real connections what works on it',
  about: [
    'The daemon makes two networks, by the same calls that an engine sends, one of them with the options of a network ' +
      'that you name. Three containers, which are nothing but processes in network namespaces of their own, and a host ' +
      'outside of this one connect to each other by TCP, UDP and ping, in every way that docs/docker-bridge.md tells of. ' +
      'One container is replaced meanwhile, whose client goes on sending datagrams. What should work follows from the options of the network alone. Of a connection that fares otherwise, tsbridge ' +
      'explain says why, as long as the network is there.',
    'It takes a few seconds, and changes the host for as long: a bridge for each network with its rules, and one veth ' +
      'pair. Addresses are of 198.18.0.0/15, which is for measurements, and of a random part of fd00::/8; none that the ' +
      'host has a route to is taken. Published ports are free ones. Forwarding is switched on as by any new network. The ' +
      'outside host has no route but to these networks, and nobody else reaches it.',
    'However the command ends, nothing stays: its namespaces have no names and end with it, and the daemon removes the ' +
      'networks when the connection of the command does, or 60 s after its last sign of life. If the daemon is killed, ' +
      'its next start removes them.',
    'Not tested: SCTP, names (the engine answers those, not this driver), IPv6 where no rules of it are written, and ' +
      'tsbridge.routes, whose next hops are in the subnet of one network.',
  ],
  words: {},
  flags: {
    like: optional(
      network,
      'the network whose options are taken, without those about other hosts and routes (the default options)',
    ),
    only: several(part, 'only connections with this in their names'),
    skip: several(part, 'none with this in their names'),
    junit: optional(filePath, 'also write the result there, in the XML of JUnit'),
  },
  names: true,
  timeoutMs: 30_000,
  examples: [
    { line: 'tsbridge connectivity-test', does: 'does a network with default options work here?' },
    { line: 'tsbridge connectivity-test --like shop', does: 'and one with the options of shop?' },
    {
      line: 'tsbridge connectivity-test --only published-port --junit result.xml',
      does: 'published ports alone, for a system of continuous integration',
    },
  ],
  exits: {
    ok: 'every connection fares as it should',
    failed:
      'it could not be done: the daemon or ip does not answer, or you are not root; or not everything is known to be removed',
    usage: 'wrong command line, or there is no such network',
    differs: 'a connection fares otherwise',
  },
  schema: 'connectivity-test',
  async ask(call) {
    if (process.getuid?.() !== 0)
      throw new Error('network namespaces are for root only: try with sudo');
    if (call.flags.junit !== undefined) {
      const { canReplace } = await import('../../output/replace-file.js');
      await canReplace(call.flags.junit);
    }
    const start = performance.now();
    const { view, head } = await openInventory(call, { inside: false, counters: false });
    const chosen = view.networks().filter(({ id }) => {
      return call.flags.like !== undefined && isNetwork(view, id, call.flags.like);
    });
    const [like, another] = chosen;
    if (call.flags.like !== undefined && (like === undefined || another !== undefined)) {
      const what = like === undefined ? 'names no network' : 'names several networks';
      throw new UsageError(`--like: ${JSON.stringify(call.flags.like)} ${what} of tsbridge`);
    }
    const tested = await testConnections(
      call,
      like?.id,
      view.networks().flatMap(({ subnets }) => subnets),
    );
    const seconds = Math.round((performance.now() - start) / 100) / 10;
    const failed = tested.items.filter(({ result }) => result === 'failed').length;
    if (call.flags.junit !== undefined) await writeJunit(call.flags.junit, tested.items, seconds);
    return {
      ...{ source: 'daemon', names: head.names, items: tested.items },
      warnings: [...head.warnings, ...tested.warnings],
      more: {
        network: tested.network,
        ...{ passed: tested.items.length - failed, failed, seconds, removed: tested.removed },
      },
    };
  },
  show: (report) => show(report),
  exit({ items, more }) {
    if (more?.removed !== true) return 'failed';
    return items.some(({ result }) => result === 'failed') ? 'differs' : 'ok';
  },
});

interface Tested {
  readonly items: readonly ConnectionItem[];
  readonly network: Readonly<Record<string, unknown>>;
  readonly removed: boolean;
  readonly warnings: readonly string[];
}

type TestCall = Call<
  Parameters,
  CallFlags & {
    readonly only: ReturnType<typeof several<string>>;
    readonly skip: ReturnType<typeof several<string>>;
  }
>;

async function testConnections(
  call: TestCall,
  like: string | undefined,
  subnets: readonly string[],
): Promise<Tested> {
  const [
    { openLab },
    { runPaths, runReplaced },
    { explainOutcome },
    { itemOf },
    { cidrText },
    { subnetsOf },
  ] = await Promise.all([
    import('../../connectivity/lab.js'),
    import('../../connectivity/run.js'),
    import('../../connectivity/explanation.js'),
    import('../../connectivity/item.js'),
    import('../../../core/address.js'),
    import('../../../core/network/network.js'),
  ]);
  const { flags, config, timeoutMs, request, terminal } = call;
  const isChosen = ({ name }: PathTest) =>
    (flags.only.length === 0 || flags.only.some((each) => name.includes(each))) &&
    !flags.skip.some((each) => name.includes(each));
  const asking = { runtimeDir: config.runtimeDir, timeoutMs, request };
  const lab = await openLab(asking, { like, subnets });
  const items: ConnectionItem[] = [];
  const folders = [`--runtime-dir=${config.runtimeDir}`, `--state-dir=${config.stateDir}`];
  try {
    // Failures of the first run are explained before the second run replaces a container, which changes the ways of
    // packets.
    for (const run of [runPaths, runReplaced]) {
      for (const outcome of await run(lab, isChosen)) {
        const reason = outcome.passed
          ? undefined
          : await explainOutcome(lab, outcome, terminal, folders);
        items.push(itemOf(outcome, reason));
      }
    }
  } catch (error) {
    await lab.close().catch(() => undefined);
    throw error;
  }
  if (items.length === 0) {
    await lab.close();
    throw new UsageError('--only and --skip leave no connection of this network');
  }
  const { spec, generation } = lab.network;
  const network = {
    bridge: spec.bridge,
    subnets: subnetsOf(spec).map(cidrText),
    generation,
    like: like ?? null,
  };
  try {
    await lab.close();
    return { items, network, removed: true, warnings: [] };
  } catch (error) {
    return { items, network, removed: false, warnings: [`removing the test: ${messageOf(error)}`] };
  }
}

async function writeJunit(
  path: string,
  items: readonly ConnectionItem[],
  seconds: number,
): Promise<void> {
  const [{ junit }, { replaceFile }] = await Promise.all([
    import('../../connectivity/junit.js'),
    import('../../output/replace-file.js'),
  ]);
  await replaceFile(path, junit(items, seconds), 0o644);
}

function show({ items, more }: Report<ConnectionItem>): TerminalText {
  const { network, passed, failed, seconds, removed } = more as {
    readonly network: { readonly bridge: string; readonly subnets: readonly string[] };
    readonly passed: number;
    readonly failed: number;
    readonly seconds: number;
    readonly removed: boolean;
  };
  const end = removed ? 'everything is removed again' : 'not everything is known to be removed';
  return joined([
    plain`throwaway network on ${network.bridge} (${network.subnets.join(', ')})\n`,
    ...items.map(showItem),
    plain`${passed + failed} connections, ${failed === 0 ? 'all as they should be' : `${failed} NOT as they should be`}, in ${seconds} s; ${end}\n`,
  ]);
}

function showItem(item: ConnectionItem): TerminalText {
  const { path, expected, found, result, explanation } = item;
  const should = expected.answer ? 'yes' : 'no';
  const seen = found.answer && found.seen ? `, seen as ${found.seen}` : '';
  if (result === 'passed') return plain`  ok      ${path}: ${should}${seen}\n`;
  const why = found.answer ? `yes${seen}` : `no (${found.why ?? ''})`;
  const wanted = expected.seen === null ? '' : `, seen as ${expected.seen}`;
  return joined([
    plain`  FAILED  ${path}: ${why}; expected ${should}${wanted}: ${expected.because}\n`,
    ...(explanation === null
      ? []
      : [
          plain`          ${explanation.command}\n`,
          ...explanation.text.map((line) => plain`            ${line}\n`),
        ]),
  ]);
}
