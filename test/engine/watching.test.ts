/** What those who watch the daemon see of a real engine: events, numbers and health, on two versions of it. */
import { labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import type { Lab, Suite } from '../lab/lab.js';
import { NODE, until } from '../lab/process.js';
import { documentsOf, itemsOf } from '../process/documents.js';

/** The command line, on the host of the lab. */
async function tsbridge(lab: Lab, ...args: string[]) {
  const script = '"$@" 2>/tmp/said; echo "exit $?"; cat /tmp/said';
  const command = [...NODE, '/opt/tsbridge/dist/main.js', ...args];
  const all = await lab.exec(['sh', '-c', script, 'sh', ...command]);
  const [, out = '', code, err = ''] = /^(.*)exit (\d+)\n(.*)$/s.exec(all) ?? [];
  return { code: Number(code), out, err };
}

interface Line {
  readonly id: number;
  readonly kind: string;
  readonly [field: string]: unknown;
}

async function events(lab: Lab, ...args: string[]): Promise<readonly Line[]> {
  return documentsOf((await tsbridge(lab, 'events', '--json', ...args)).out) as never;
}

/** For docs/commands.md. */
async function show(lab: Lab, ...args: string[]): Promise<void> {
  if (process.env.SHOW_OUTPUT === undefined) return;
  const { code, out, err } = await tsbridge(lab, ...args);
  console.error(`$ tsbridge ${args.join(' ')}\n${out}${err}exit ${code}`);
}

for (const suite of ['bookworm', 'forky'] satisfies Suite[]) {
  const options = { suite, skip: SKIP_BUILT_IN } as const;
  labTest(`${suite}: what happened is told, counted and asked for`, options, async (t, lab) => {
    await lab.docker('network', 'create', '-d', 'tsbridge', 'shop');
    await lab.run({ name: 'web', network: 'shop', publish: ['8080:80'], serve: ['tcp/80'] });
    const [published, ...others] = await events(lab, '--kind', 'published');
    t.match(published, { by: 'docker', first: [/^0.0.0.0:8080\/tcp$/] });
    t.strictSame(others, []);

    // Only what leads to the port: the engine's own rule for docker0 would not come back.
    const del = "iptables -t nat $(iptables -t nat -S DOCKER | sed -n '/8080/{s/^-A/-D/;p}')";
    await lab.hostNs('sh', '-ec', del);
    await until('the repair', async () => {
      const all = await events(lab, '--kind', 'repair', '--since', String(published?.id));
      return all.length > 0 ? true : undefined;
    });
    const [repair] = await events(lab, '--kind', 'repair', '--since', String(published?.id));
    t.match(repair, { what: 'rules', by: /^\S*iptables\S* \(process \d+\)$/ });
    const calls = await events(lab, '--kind', 'call');
    t.ok(calls.some(({ method }) => method === 'NetworkDriver.CreateNetwork'));
    t.ok(calls.every(({ code }) => code === 'ok'));

    const { out } = await tsbridge(lab, 'metrics');
    for (const line of [
      'tsbridge_calls_total{method="NetworkDriver.CreateNetwork",code="ok"} 1',
      'tsbridge_networks{phase="ready"} 1',
      'tsbridge_endpoints{phase="ready"} 1',
      'tsbridge_published_ports{protocol="tcp",family="4",path="rule",by="docker"} 1',
      'tsbridge_state{state="serving"} 1',
      'tsbridge_events_total{kind="repair"} 1',
    ]) {
      t.ok(out.includes(`${line}\n`), line);
    }
    t.notMatch(out, /\b(?:web|shop)\b/, 'no name of a container or network');
    const health = await tsbridge(lab, 'health', '--json');
    t.equal(health.code, 0, health.err);
    t.ok(itemsOf<{ ok: boolean }>(health.out).every(({ ok }) => ok));
    await show(lab, 'events', '--not', 'call');
    await show(lab, 'health');

    await lab.docker('rm', '-f', 'web');
    await lab.docker('network', 'rm', 'shop');
    t.match(await events(lab, '--kind', 'released'), [{ count: published?.count }]);

    await lab.killTsbridge();
    t.match(await tsbridge(lab, 'health', '--quiet'), { code: 1, out: '' });
    t.match(await tsbridge(lab, 'events'), { code: 1, err: /the daemon does not run/ });
    t.match(await tsbridge(lab, 'metrics'), { code: 1, err: /the daemon does not run/ });
    await lab.spawnTsbridge();
    // Those of the daemon before are gone, and that is told.
    const [gap, ...later] = await events(lab, '--since', String(published?.id));
    t.match(gap, { kind: 'gap', of: 'all' });
    t.ok(later.every(({ kind }) => kind !== 'published'));
  });
}
