/** The command, on a small host. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExplainItem } from '../../src/cli/schemas/explain.js';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { makeRouter } = await import('../explain/router.js');
const { itemOf } = await import('../process/documents.js');

t.test('the command says who drops a packet, and answers by its exit code', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-explain-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  makeRouter();
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const sayWith = (path: string | undefined, words: readonly string[]) => {
    const where = [`--runtime-dir=${folder}`, `--state-dir=${folder}`];
    const args = ['--import=tsx', main, 'explain', ...words, ...where];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      // The variable that marks the namespace would be taken for a setting.
      env: { PATH: path },
    });
    return { status, stdout, stderr };
  };
  const say = (...words: string[]) => sayWith(process.env.PATH, words);
  const verdict = (...words: string[]) =>
    itemOf<ExplainItem>(say(...words, '--json').stdout).verdict;

  const published = say('elsewhere', ':8080');
  t.match(published, {
    status: 0,
    stdout: /DOCKER 1: .*DNAT.*\(now .*172\.20\.0\.2:80\)[\s\S]*SENT/,
  });
  const picture = join(folder, 'way.svg');
  t.equal(say('elsewhere', ':8080', '--svg', picture).status, 0);
  const svg = readFileSync(picture, 'utf8');
  t.match(
    svg,
    /<title>[^<]* -&gt; [^<]*8080\/tcp[\s\S]*DOCKER 1: [^<]*DNAT[\s\S]*SENT out of br-1/,
  );
  t.match(say('elsewhere', ':8080', '--svg', `${folder}/none/way.svg`), {
    status: 1,
    stderr: /writing .*none\/way\.svg: /,
  });
  const other = say('lan', '172.20.0.2:81', '--svg', picture);
  t.match(readFileSync(picture, 'utf8'), /class="refused"[\s\S]*DROPPED by filter FORWARD/);
  t.match(other, { status: 3, stdout: /DROPPED in FORWARD by the policy of chain FORWARD/ });
  t.equal(verdict('elsewhere', ':8081'), 'host');
  t.equal(verdict('172.20.0.2', 'elsewhere:53/udp'), 'sent');
  t.equal(verdict('host', '127.0.0.1:8080'), 'host');
  t.equal(verdict('host', 'elsewhere/icmp'), 'sent');
  t.equal(verdict('elsewhere', ':8080', '--ipv6'), 'host');
  t.equal(verdict('10.9.9.9%eth0', ':8080'), 'lost', 'reverse path filter');

  run('iptables', ['-I', 'DOCKER-USER', '-i', 'eth0', '-j', 'DROP']);
  t.match(say('elsewhere', ':8080'), {
    status: 3,
    stdout: /rule 1 of chain DOCKER-USER.*\n {2}-A DOCKER-USER -i eth0 -j DROP\n.*administrator/,
  });
  run('iptables', ['-R', 'DOCKER-USER', '1', '-m', 'limit', '--limit', '5/min', '-j', 'DROP']);
  t.match(say('elsewhere', ':8080'), { status: 4, stdout: /if: the rate is within[\s\S]*DEPENDS/ });
  run('iptables', ['-F', 'DOCKER-USER']);
  // An accept of iptables' is none of the next chain's; of the two policies of one priority either may come first.
  const native = `table inet my { chain f { type filter hook forward priority 0; policy drop;
    iifname "eth0" tcp dport { 80, 443 } reject; }; }`;
  run('nft', ['-f', '-'], native);
  t.match(say('elsewhere', ':8080'), {
    status: 3,
    stdout:
      /REJECTED in FORWARD by rule 1 of chain f, table inet my \(nft\):\n {2}iifname "eth0" tcp dport \{ 80, 443 \} reject/,
  });
  t.match(say('lan', '172.20.0.2:81'), { status: 3, stdout: /DROPPED in each of these ways/ });
  run('nft', ['insert', 'rule', 'inet', 'my', 'f', 'limit', 'rate', '5/minute', 'accept']);
  t.match(say('elsewhere', ':8080'), { status: 4, stdout: /if: .*limit rate 5\/minute/ });
  run('nft', ['flush', 'chain', 'inet', 'my', 'f']);
  run('nft', ['add', 'rule', 'inet', 'my', 'f', 'ct', 'status', 'dnat', 'accept']);
  t.equal(verdict('elsewhere', ':8080'), 'sent');

  run('nft', ['delete', 'table', 'inet', 'my']);
  const drops = '-I DOCKER-USER -i eth0 -p tcp --dport 80 -j DROP';
  t.match(say('elsewhere', ':8080', '--with', drops), {
    status: 3,
    stdout: /^As if table filter had this rule, too: .*\n\n[\s\S]*rule 1 of chain DOCKER-USER/,
  });
  t.match(say('lan', '172.20.0.2:81', '--without', 'DOCKER-USER 7'), {
    status: 2,
    stderr: /chain DOCKER-USER of table filter has no rule 7/,
  });
  // Nothing lets the answer back in by the second rule, once the chain has not the third.
  const direct = ['172.20.0.2', 'elsewhere:53/udp'];
  t.match(say(...direct, '--reply'), {
    status: 3,
    stdout:
      /SENT out of eth0[\s\S]*The answer:[\s\S]*nat .*PREROUTING: by the flow's entry.*172\.20\.0\.2[\s\S]*DROPPED in FORWARD by the policy/,
  });
  const established = '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT';
  t.match(say(...direct, '--reply', '--with', established), {
    status: 0,
    stdout: /The answer:[\s\S]*FORWARD 4: .*ESTABLISHED[\s\S]*SENT out of br-1/,
  });
  // A flow that was translated to an address of yesterday's container.
  const tuple = '-s 198.51.100.77 -d 192.0.2.1 -p udp --sport 40000 --dport 8080';
  const stale = `-I ${tuple} --dst-nat 172.20.0.9:80 -u SEEN_REPLY -t 60`;
  run('conntrack', stale.split(' '));
  t.match(say('198.51.100.77%eth0', '192.0.2.1:8080/udp'), {
    status: 3,
    stdout:
      /a flow that is there already[\s\S]*now 198.51.100.77 -> 172.20.0.9:80[\s\S]*AN EXISTING FLOW DECIDES[\s\S]*a new flow[\s\S]*TAKEN by this host/,
  });

  // A host on which nft is not installed: the kernel tells which chains there are, and not what is in them.
  const bare = join(folder, 'bin');
  mkdirSync(bare);
  const programs = ['ip', ...['nft', 'legacy'].map((each) => `iptables-${each}-save`)];
  for (const each of programs) symlinkSync(run('which', [each]).trim(), join(bare, each));
  t.match(sayWith(bare, ['lan', '172.20.0.2:81']), { status: 3, stderr: '' });
  t.match(sayWith(bare, ['elsewhere', ':8080']), { status: 0, stderr: '' }, 'no table of its own');
  run('nft', ['-f', '-'], 'table inet my { chain f { type filter hook forward priority 0; }; }');
  t.match(sayWith(bare, ['elsewhere', ':8080']), {
    status: 4,
    stdout:
      /DEPENDS on tables that nft itself made[^:]*:\n {2}table inet my, chain f \(hook forward\)/,
    stderr: /table inet my could not be read/,
  });
  t.equal(say('elsewhere', ':8080').status, 0);
  run('nft', ['delete', 'table', 'inet', 'my']);

  t.match(say('elsewhere', 'nobody:80'), { status: 1, stderr: /the daemon does not run/ });
  t.match(say('fe80::1', '192.0.2.1:80'), { status: 2, stderr: /IPv4, the other one of IPv6/ });
  t.match(say('elsewhere', 'x'), { status: 2, stderr: /PLACE:PORT/ });
});
