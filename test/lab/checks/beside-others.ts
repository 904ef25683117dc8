/**
 * What the commands say of a network while rules of firewalld, ufw, fail2ban and kube-proxy are on the host, held against
 * real connections: one port that answers, and one that a rule in DOCKER-USER closes.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DoctorItem } from '../../../src/cli/schemas/doctor.js';
import type { DropItem } from '../../../src/cli/schemas/drops.js';
import type { ExplainItem } from '../../../src/cli/schemas/explain.js';
import type { PortItem } from '../../../src/cli/schemas/inventory.js';
import type { PacketItem, SummaryItem } from '../../../src/cli/schemas/trace.js';
import { documentOf, itemsOf } from '../../process/documents.js';
import { type Said, tsbridge } from '../command-line.js';
import { DRIVER, labTest, SKIP_BUILT_IN, type Test } from '../fixture.js';
import { ADDRESSES, type Lab } from '../lab.js';
import { until } from '../process.js';
import { type EngineVersion, SUITES } from '../suites.js';
import { checkKilled } from './killed-commands.js';

/** What the machine is like, and no fault of networks: where the lab keeps its state, and how full that is. */
const ofTheLab = ['state-in-memory', 'disk-nearly-full', 'disk-full'].map(
  (code) => `--skip=${code}`,
);
const closing = ['DOCKER-USER', '-p', 'tcp', '-m', 'conntrack', '--ctorigdstport', '8081'];

interface Others {
  readonly file: string;
  /** A table or chain of theirs that a packet to the open port passes; absent: Docker's rules accept it before. */
  readonly meets?: { readonly table?: string; readonly chain?: string };
  /** true: they refuse what comes by IPv6 to a port that the proxy carries there, and the doctor says so. */
  readonly refusesProxy?: true;
}

const others: readonly Others[] = [
  {
    file: 'firewalld.nft',
    meets: { table: 'firewalld', chain: 'filter_FORWARD' },
    refusesProxy: true,
  },
  { file: 'ufw.rules' },
  { file: 'fail2ban.rules' },
  { file: 'kube-proxy.rules', meets: { table: 'nat', chain: 'KUBE-SERVICES' } },
];

const textOf = (file: string) =>
  readFileSync(fileURLToPath(new URL(`../../fixtures/others/${file}`, import.meta.url)), 'utf8');

/** Loads the rules as their program would. The answer takes them away again. */
async function load(lab: Lab, { file }: Others): Promise<() => Promise<unknown>> {
  const [before, text] = [await lab.hostNs('iptables-save'), textOf(file)];
  const write = (rules: string, command: string) =>
    lab.hostNs('sh', '-ec', `printf %s "$1" > /tmp/rules; ${command} < /tmp/rules`, 'sh', rules);
  if (file.endsWith('.nft')) {
    await write(text, 'nft -f -');
    return () => lab.hostNs('nft', 'delete', 'table', 'inet', 'firewalld');
  }
  await write(text, 'iptables-restore --noflush');
  return () => write(`${before}\n`, 'iptables-restore');
}

type Line = { readonly packet?: PacketItem; readonly summary?: SummaryItem };

/** A trace, with what is done as soon as the kernel traces. */
async function traced(lab: Lab, args: readonly string[], act: () => Promise<unknown>) {
  const saying = tsbridge(lab, 'trace', ...args, '--json', '--count=1', '--for=120');
  let said: Said | undefined;
  void saying.then(
    (each) => {
      said = each;
    },
    () => undefined,
  );
  const begun = async () =>
    said !== undefined ||
    (await lab.hostNs('nft', 'list', 'tables')).includes('tsbridge-trace-') ||
    undefined;
  await until('the trace to begin', begun, 60_000);
  // The command reads the rules after it has made its table: packets come until one is told of.
  for (let tries = 0; tries < 40 && said === undefined; tries += 1) await act();
  const { code, out, err } = await saying;
  const lines = out.split('\n').filter((line) => line !== '');
  const told = lines.map((line) => documentOf(line) as unknown as Line);
  const packets = told.flatMap(({ packet }) => packet ?? []);
  return { code, err, packets, packet: packets[0], summary: told.at(-1)?.summary };
}

async function checkOpen(t: Test, lab: Lab, { meets }: Others): Promise<void> {
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, 'it answers');
  t.match(await lab.askIn('web', ADDRESSES.world, 9000), { name: 'lab' }, 'it reaches the world');
  const verdict = async (...ends: string[]) => {
    const { code, out } = await tsbridge(lab, 'explain', ...ends, '--json');
    return { code, verdict: itemsOf<ExplainItem>(out)[0]?.verdict };
  };
  t.strictSame(await verdict(ADDRESSES.lan, ':8080'), { code: 0, verdict: 'sent' });
  t.strictSame(await verdict('web', `${ADDRESSES.world}:9000`), { code: 0, verdict: 'sent' });
  const { code, packet } = await traced(lab, ['any', ':8080'], () =>
    lab.ask('lan', ADDRESSES.host, 8080),
  );
  t.equal(code, 0);
  t.match(packet, { end: 'sent', out: 'br-app', became: { destination: { container: 'web' } } });
  t.match(
    packet?.steps.find(({ outcome }) => outcome === 'translate'),
    {
      table: 'nat',
      chain: 'DOCKER',
      rule: /--dport 8080 -j DNAT/,
      owner: /Docker/,
      containers: ['web'],
    },
  );
  if (meets !== undefined)
    t.match(
      packet?.steps.find(({ chain }) => chain === meets.chain),
      meets,
    );
}

/** The port's container answers: the way back is told of, too, with the host's address as the outside sees it. */
async function checkReplies(t: Test, lab: Lab): Promise<void> {
  const { code, packets, summary } = await traced(lab, ['any', ':8080', '--reply'], () =>
    lab.ask('lan', ADDRESSES.host, 8080),
  );
  t.equal(code, 0);
  const [asked, answer] = packets;
  t.match(asked, { number: 1, answers: null, flags: 'SYN', end: 'sent' });
  t.match(answer, {
    ...{ answers: 1, flags: 'SYN ACK', in: 'br-app', end: 'sent' },
    source: { port: 80, container: 'web' },
    became: { source: { address: ADDRESSES.host, port: 8080 } },
  });
  t.ok((summary?.answers ?? 0) >= 1);
}

async function checkClosed(t: Test, lab: Lab): Promise<void> {
  const ask = () => lab.ask('lan', ADDRESSES.host, 8081, { timeoutMs: 1_500 });
  await t.rejects(ask(), 'it is closed');
  const said = await tsbridge(lab, 'explain', ADDRESSES.lan, ':8081', '--json');
  t.match(
    { code: said.code, items: itemsOf<ExplainItem>(said.out) },
    { code: 3, items: [{ verdict: 'dropped', text: /./ }] },
  );
  const dropped = await traced(lab, ['any', ':8081', '--dropped-only'], async () => {
    // Refused by the kernel itself, outside of all rules; first, since the trace ends with the other one's packet.
    await lab
      .ask('host', '127.0.0.1', 9, { proto: 'udp', timeoutMs: 5_000 })
      .catch(() => undefined);
    await ask().catch(() => undefined);
  });
  t.equal(dropped.code, 3);
  t.match(dropped.packet, { end: 'dropped', words: [/chain DOCKER-USER/] });
  t.match(dropped.packet?.steps.at(-1), { rule: /--ctorigdstport 8081 -j DROP/ });
  t.ok(dropped.summary?.losses.some(({ counter }) => counter === 'Udp.NoPorts'));

  const drops = tsbridge(lab, 'drops', '--for', '20', '--json');
  let over = false;
  void drops.finally(() => {
    over = true;
  });
  while (!over) await ask().catch(() => undefined);
  const points = itemsOf<DropItem>((await drops).out);
  t.match(
    points.find(({ chain }) => chain === 'DOCKER-USER'),
    { rule: /8081/, owner: /DOCKER-USER/ },
  );
}

export function checkBesideOthers(version: EngineVersion): void {
  const options = { suite: SUITES[version], skip: SKIP_BUILT_IN } as const;
  labTest(
    `what commands say beside rules of other programs, on ${version}`,
    options,
    async (t, lab) => {
      const bridge = ['-o', 'com.docker.network.bridge.name=br-app'];
      await lab.docker('network', 'create', '-d', DRIVER, ...bridge, 'shop');
      const publish = ['8080:80', '8081:80'];
      await lab.run({ name: 'web', network: 'shop', publish, serve: ['tcp/80'] });
      const world = await lab.serve('lan', 'tcp/9000');
      for (const each of others) {
        await t.test(each.file, async (t) => {
          t.teardown(await load(lab, each));
          // The daemon puts its jumps where they belong.
          await until(
            'the daemon to have nothing to change',
            async () => (await tsbridge(lab, 'diff')).code === 0 || undefined,
            60_000,
          );
          await checkOpen(t as Test, lab, each);
          await lab.hostNs('iptables', '-I', ...closing, '-j', 'DROP');
          await checkClosed(t as Test, lab);

          const ports = itemsOf<PortItem>((await tsbridge(lab, 'ports', '--reach', '--json')).out);
          const reach = (number: number) =>
            ports.find(({ host }) => host.family === 4 && host.port === number)?.reach;
          t.match(reach(8080), { lan: 'rules', elsewhere: 'rules', host: 'proxy' });
          t.match(reach(8081), { lan: 'no', elsewhere: 'no', host: 'proxy' });
          const { out, err } = await tsbridge(lab, 'doctor', '--json', ...ofTheLab);
          const findings = out === '' ? [] : (documentOf(out).items as readonly DoctorItem[]);
          const wrong = findings.filter(({ severity }) => severity !== 'notice');
          const ofProxy = wrong.filter(
            ({ code, evidence }) =>
              code === 'native-table-drops' && /filter_IN_public.*2001:db8/.test(evidence),
          );
          t.equal(ofProxy.length, each.refusesProxy ? 1 : 0);
          t.strictSame(
            wrong.filter((finding) => !ofProxy.includes(finding)).map(({ code }) => code),
            [],
            err,
          );
          if (each.refusesProxy) {
            const six = lab.ask('lan', ADDRESSES.host6, 8080, { timeoutMs: 1_500 });
            await t.rejects(six, 'it is so');
            t.match(ofProxy[0]?.command, /^firewall-cmd --zone=public --add-port=808[01]\/tcp$/);
          }
          t.ok(
            findings.some(({ code }) => code === 'docker-user-drops'),
            'the closed port is told of',
          );
          await lab.hostNs('iptables', '-D', ...closing, '-j', 'DROP');

          t.match(await tsbridge(lab, 'status', '--quiet'), { code: 0, out: '' });
          t.match(await tsbridge(lab, 'ps'), { code: 0, out: /web/ });
          t.match(await tsbridge(lab, 'find', '8080'), { code: 0, out: /web/ });
        });
      }
      await t.test('a trace with answers', (t) => checkReplies(t as Test, lab));
      await t.test('commands that are killed', (t) => checkKilled(t as Test, lab));
      await world.kill();
      await lab.docker('rm', '-f', 'web');
      await lab.docker('network', 'rm', 'shop');
    },
  );
}
