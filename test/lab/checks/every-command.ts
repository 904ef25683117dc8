/**
 * What an operator sees, with every command, and the engine and the daemon in every state that they can be in: on
 * the oldest engine and a new one. Every document is held to its schema.
 */

import { writeFileSync } from 'node:fs';
import type { EndpointItem, PortItem } from '../../../src/cli/schemas/inventory.js';
import { documentedOutputs, labelsOf, skeleton } from '../../process/documented.js';
import { type Document, documentOf, itemsOf } from '../../process/documents.js';
import { type Said, tsbridge } from '../command-line.js';
import { DRIVER, labTest, SKIP_BUILT_IN, type Test } from '../fixture.js';
import type { Lab } from '../lab.js';
import { until } from '../process.js';
import { whileStopped } from '../strike.js';
import { type EngineVersion, SUITES } from '../suites.js';

const show = process.env.SHOW_OUTPUT !== undefined;

/** In the state that the lab is in: the answers, and where they come from. */
async function look(lab: Lab, source: string) {
  const documents: Record<string, Document> = {};
  for (const line of ['ports', 'ps', 'find web', 'find 8080', 'top --for 0.2']) {
    const args = line.split(' ');
    const said = await tsbridge(lab, ...args, '--json');
    const document = documentOf(said.out);
    if (document.source !== source) throw new Error(`${line}: ${document.source} ${said.err}`);
    documents[line] = document;
    if (show) {
      const people = await tsbridge(lab, ...args);
      console.error(`$ tsbridge ${line}\n${people.out}${people.err}exit ${people.code}`);
    }
  }
  return documents;
}

/** What does not depend on who is asked: names and counters do. */
function facts(documents: Awaited<ReturnType<typeof look>>) {
  const ports = (documents.ports?.items ?? []) as readonly PortItem[];
  const endpoints = (documents.ps?.items ?? []) as readonly EndpointItem[];
  return {
    ports: ports.map(({ host, protocol, listening }) => {
      return `${host.address}:${host.port}/${protocol} ${listening.state}`;
    }),
    endpoints: endpoints
      .map(({ addresses, inside, state }) => [...addresses, inside, state].join(' '))
      .sort(),
    byPort: documents['find 8080']?.items.length,
    byName: documents['find web']?.items.length,
    names: ports.map(({ container, network }) => `${container?.name}@${network.name}`)[0],
  };
}

const expected = {
  ports: [
    '127.0.0.1:5353/udp loopback',
    '0.0.0.0:8080/tcp yes',
    ':::8080/tcp yes',
    '0.0.0.0:9000/tcp no',
    ':::9000/tcp no',
  ],
  endpoints: ['172.18.0.2/16 eth0 ready', '172.18.0.3/16 eth0 ready'],
  byPort: 1,
  byName: 1,
  names: 'web@shop',
};
/** By an operator. */
const published = ['0.0.0.0:9229/tcp no', ':::9229/tcp no'];

/** Somebody deletes a rule, and the daemon is stopped so that it does not come back at once. */
async function compare(t: Test, lab: Lab): Promise<void> {
  t.match(await tsbridge(lab, 'diff'), { code: 0, out: 'Nothing differs.\n' });
  t.match(await tsbridge(lab, 'diff', '--quiet'), { code: 0, out: '' });
  const daemon = await lab.hostNs('sh', '-c', 'iptables-save -t nat | grep -- "-A DOCKER .*8080"');
  const [rule = ''] = daemon.trim().split('\n');
  const delay = `iptables -t nat ${rule.replace('-A', '-D')}`;
  const [, said] = await Promise.all([
    lab.hostNs('sh', '-c', delay),
    tsbridge(lab, 'diff', '--json'),
  ]);
  // The daemon may have put it back before it was asked.
  documentOf(said.out);
  t.match(await tsbridge(lab, 'reconcile', '--json'), { code: 0 });
  t.equal((await tsbridge(lab, 'diff', '--quiet')).code, 0, 'all is back');
}

/** Which of the two answers, and what the engine does. */
interface State {
  readonly engine: 'answers' | 'hangs' | 'gone';
  readonly daemon: boolean;
  /** What docs/commands.md shows is of this state, and has to be what is printed. */
  readonly documented?: true;
}

const shownInDocs = documentedOutputs();

function compareWithDocs(t: Test, line: string, { out, err }: Said): void {
  for (const [command, [first = '']] of shownInDocs) {
    const [asked, word] = command.split(' | grep ');
    if (asked !== line) continue;
    const lines = (out + err).split(/(?<=\n)/).filter((each) => each.includes(word ?? ''));
    const about = `docs: tsbridge ${command}`;
    // What was repaired, and by whom, is another each time.
    if (line === 'status') t.strictSame(labelsOf(out), labelsOf(first), about);
    else t.equal(skeleton(lines.join('')), skeleton(first), about);
  }
}

const same = { code: 0, out: 'Nothing differs.\n' } as const;

/** Every other command: its exit status, what it says, and that each document is as its schema has it. */
async function askOthers(
  t: Test,
  lab: Lab,
  { engine, daemon, documented }: State,
  differences: { readonly code: number; readonly out: string | RegExp } = same,
): Promise<void> {
  const when = `the engine ${engine}, the daemon ${daemon ? 'runs' : 'does not'}`;
  const down = { code: 1, err: /the daemon does not run/ };
  const said = async (line: string): Promise<Said> => {
    const answer = await tsbridge(lab, ...line.split(' '));
    if (documented !== undefined && line !== 'diff') compareWithDocs(t, line, answer);
    if (show) console.error(`$ tsbridge ${line}\n${answer.out}${answer.err}exit ${answer.code}`);
    // Documents are the same in every state: those of the first and the last are enough.
    if (engine === 'answers' && (answer.code < 1 || answer.code > 2)) {
      const json = await tsbridge(lab, ...line.split(' '), '--json');
      // Lines of events, and texts that have no other form.
      if (!/^(metrics|logs|events|schema|publish |unpublish )/.test(line)) documentOf(json.out);
    }
    return answer;
  };
  t.match(await said('diff'), {
    ...differences,
    err: daemon ? /^$/ : /compared with its records/,
  });
  t.match(await said('publish --list'), {
    code: 0,
    out: /9229:9229\/tcp +web +shop +open/,
    err: daemon ? /^$/ : /these are its records/,
  });
  t.match(await said('ports --source operator --wide'), {
    code: 0,
    out: /9229.*operator.* 20\d\d-\d\d-/,
  });
  t.match(
    await said('logs --file /tmp/daemon.log --network shop'),
    { code: 0, out: /about the shop/ },
    `logs: ${when}`,
  );
  t.match(await said('diags --preview'), { code: daemon && engine === 'answers' ? 0 : 4 });
  t.match(await said('schema ports'), { code: 0 });
  if (!daemon) {
    for (const line of [
      ...['status', 'events', 'metrics', 'health', 'gc', 'gc --yes', 'reconcile --dry-run'],
      ...['publish web 9300:80', 'unpublish web --all', 'forget br-0'],
    ]) {
      t.match(await said(line), down, `${line}: ${when}`);
    }
    return;
  }
  const stale = engine !== 'answers';
  // Two pings of the service of names are 15 s apart.
  const named = async () => {
    const { out } = await tsbridge(lab, 'metrics');
    return out.includes(`tsbridge_names_stale ${Number(stale)}\n`) || undefined;
  };
  await until('the names to be as the engine is', named, 60_000, 500);
  t.match(await said('status'), { code: 0, out: stale ? /does not answer now/ : /by the engine/ });
  t.match(await said('events --kind names'), {
    code: 0,
    out: stale ? /the engine does not tell names: .*\n$/ : /the engine tells names\n$/,
  });
  t.match(await said('health'), { code: 0 }, `it depends on no engine: ${when}`);
  t.match(await said('metrics'), { code: 0, out: /published_ports.*by="operator"/ });
  t.match(await said('events --kind operator'), { code: 0, out: /publish: 9229:9229\/tcp of web/ });
  t.match(await said('events --kind published'), { code: 0, out: /by operator\n/ });
  if (engine === 'answers') {
    // Its answers prove something when it has run for a minute.
    const proof = async () => (await tsbridge(lab, 'gc')).code !== 1 || undefined;
    await until('the engine to have run for a minute', proof, 120_000, 500);
    t.match(await said('gc'), { code: 0, out: /forgotten nothing/ });
  } else t.match(await said('gc --timeout 30'), { code: 1, err: /engine/ });
  t.match(await said('publish web 127.0.0.1:9300:80'), { code: 0, out: /^published/ }, when);
  t.match(await lab.ask('host', '127.0.0.1', 9300), { name: 'web' }, `published: ${when}`);
  t.match(await said('unpublish web 127.0.0.1:9300:80'), { code: 0, out: /^unpublished/ }, when);
  await t.rejects(lab.ask('host', '127.0.0.1', 9300), `unpublished: ${when}`);
}

/** Neither runs, and a rule is deleted: it comes back when the daemon starts. */
async function missingRule(t: Test, lab: Lab, documented: boolean): Promise<void> {
  const del = "iptables -t nat $(iptables -t nat -S DOCKER | sed -n '/8080/{s/^-A/-D/;p}')";
  await lab.hostNs('sh', '-ec', del);
  const said = await tsbridge(lab, 'diff');
  if (show) console.error(`$ tsbridge diff\n${said.out}${said.err}exit ${said.code}`);
  t.match(said, { code: 3, out: /^\+.*--dport 8080 .*DNAT/m });
  if (documented) compareWithDocs(t, 'diff', said);
  documentOf((await tsbridge(lab, 'diff', '--json')).out);
}

const line = (msg: string, network: string) =>
  JSON.stringify({ level: 'info', time: '2026-11-26T19:02:34.529Z', network, msg });

export function checkEveryCommand(version: EngineVersion): void {
  const options = { suite: SUITES[version], skip: SKIP_BUILT_IN, liveRestore: true } as const;
  labTest(`every command, whatever runs, on ${version}`, options, async (t, lab) => {
    await lab.docker('network', 'create', '-d', DRIVER, 'shop');
    await lab.run({
      name: 'web',
      network: 'shop',
      publish: ['8080:80', '127.0.0.1:5353:53/udp', '9000:9000'],
      serve: ['tcp/80'],
    });
    const inside = await lab.serve(await lab.container('web'), 'udp/53@127.0.0.1');
    await lab.run({ name: 'client', network: 'shop' });
    await lab.askIn('client', 'web', 80);

    const ports = itemsOf<PortItem>((await tsbridge(lab, 'ports', '--json')).out);
    t.match(
      ports.map(({ host, protocol, path, publishedBy, listening }) => [
        `${host.address}:${host.port}/${protocol}`,
        path,
        publishedBy,
        listening.state,
      ]),
      [
        ['127.0.0.1:5353/udp', 'proxy', 'docker', 'loopback'],
        ['0.0.0.0:8080/tcp', 'dnat', 'docker', 'yes'],
        [':::8080/tcp', 'proxy', 'docker', 'yes'],
        ['0.0.0.0:9000/tcp', 'dnat', 'docker', 'no'],
        [':::9000/tcp', 'proxy', 'docker', 'no'],
      ],
    );
    t.ok(ports.every(({ publishedSince }) => publishedSince !== null));
    t.equal((await tsbridge(lab, 'ports', '--port', '1')).code, 3, 'nobody has it');
    t.same(facts(await look(lab, 'daemon')), expected, 'the engine answers');
    for (const shown of version === '20.10' ? ['ports', 'ps', 'find 8080'] : []) {
      compareWithDocs(t, shown, await tsbridge(lab, ...shown.split(' ')));
    }
    await compare(t, lab);
    const id = (await lab.docker('network', 'inspect', '-f', '{{.Id}}', 'shop')).trim();
    const log = [line('about the shop', id.slice(0, 12)), line('about another', 'abcdefabcdef')];
    writeFileSync(lab.path('/tmp/daemon.log'), `${log.join('\n')}\n`);
    t.match(await tsbridge(lab, 'publish', 'web', '9229:9229'), { code: 0 });
    const documented = version === '20.10' ? ({ documented: true } as const) : {};
    await askOthers(t, lab, { engine: 'answers', daemon: true, ...documented });

    const known = { ...expected, ports: [...expected.ports, ...published] };
    await whileStopped(await lab.engine.process.pid(), async () => {
      t.same(facts(await look(lab, 'daemon')), known, 'the engine hangs');
      await askOthers(t, lab, { engine: 'hangs', daemon: true });
    });
    await lab.killDockerd();
    t.same(facts(await look(lab, 'daemon')), known, 'the engine is gone');
    await askOthers(t, lab, { engine: 'gone', daemon: true });
    await lab.killTsbridge();
    t.same(facts(await look(lab, 'records')), known, 'so is the daemon');
    await askOthers(t, lab, { engine: 'gone', daemon: false });
    await missingRule(t, lab, version === '20.10');
    await lab.startDockerd();
    t.same(facts(await look(lab, 'records')), known, 'the engine alone');
    // The engine has made its chains anew, without what was in them.
    const restarted = { code: 3, out: /^\+.*--dport 8080 .*DNAT/m } as const;
    await askOthers(t, lab, { engine: 'answers', daemon: false }, restarted);
    await lab.spawnTsbridge();
    t.match(await tsbridge(lab, 'status', '--wait', '--quiet'), { code: 0, out: '' });
    await inside.kill('SIGKILL');
    t.match(await tsbridge(lab, 'unpublish', 'web', '--all'), { code: 0 });
    await lab.docker('rm', '-f', 'web', 'client');
    await lab.docker('network', 'rm', 'shop');
  });
}
