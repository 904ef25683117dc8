/** What shells offer, as far as they are installed here; their scripts are read by them, not by us. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { dispatch } from '../../src/cli/dispatch.js';
import { completionScript, shells } from '../../src/cli/table/completion.js';
import { commands } from '../../src/cli/table.js';

async function said(...args: string[]) {
  let out = '';
  const environment = { TSBRIDGE_RUNTIME_DIR: folder, TSBRIDGE_STATE_DIR: folder };
  const code = await dispatch(args, {
    environment,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      out += text;
    },
  });
  return { code, out };
}
const folder = mkdtempSync(join(tmpdir(), 'tsbridge-completion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

t.test('each shell reads its script', async (t) => {
  for (const shell of shells) {
    const script = completionScript(shell, commands);
    t.notMatch(script, '__complete  ');
    t.notMatch(script, /hidden/);
    t.equal((await said('completion', shell)).out, script);
    const { error, status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
    if (error === undefined) t.equal(status, 0, `${shell}: ${stderr}`);
    else t.comment(`${shell} is not installed`);
  }
  t.match(await said('completion', 'tcsh'), { code: 2, out: /it takes bash, zsh or fish/ });
  t.match(await said('completion'), { code: 2, out: /which SHELL\?/ });
});

t.test('bash offers commands, flags, their words, and files', (t) => {
  const script = completionScript('bash', commands);
  const offered = (...words: string[]): string[] => {
    const list = words.map((word) => `'${word}'`).join(' ');
    const ask = `COMP_WORDS=(${list}) COMP_CWORD=${words.length - 1}\n_tsbridge\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = spawnSync('bash', ['--norc'], {
      input: `${script}\n${ask}`,
      encoding: 'utf8',
    });
    return stdout.split('\n').filter(Boolean);
  };
  t.strictSame(offered('tsbridge', 'po'), ['ports']);
  t.notOk(offered('tsbridge', '').includes('__complete'));
  t.strictSame(offered('tsbridge', 'ports', '--no-h'), ['--no-header']);
  t.strictSame(offered('tsbridge', 'ports', '--color', 'a'), ['auto', 'always']);
  t.strictSame(offered('tsbridge', 'ports', '--color', '=', 'n'), ['never']);
  t.strictSame(offered('tsbridge', 'completion', 'f'), ['fish']);
  t.strictSame(offered('tsbridge', 'help', 'setu'), ['setup']);
  t.ok(offered('tsbridge', 'ports', '--config', '/etc/pass').includes('/etc/passwd'));
  t.end();
});

t.test('names are asked of the daemon; without one nothing is said', async (t) => {
  t.same(await said('__complete', 'thing', 've'), { code: 0, out: '' });
  const common = { network: 'a'.repeat(64), ipv6: null, mac: '', phase: 'ready', sandbox: null };
  const inventory = {
    networks: [{ id: 'a'.repeat(64), bridge: 'br-shop', subnets: [], mtu: null, internal: false }],
    endpoints: [
      { ...common, id: 'b'.repeat(64), veth: 'veth1', ipv4: '172.20.0.2/16', ports: [] },
      { ...common, id: 'c'.repeat(64), veth: 'veth0', ipv4: null, ports: [{ hostPort: 8080 }] },
    ],
    unreadable: [],
  };
  const server = createServer((_request, response) => response.end(JSON.stringify(inventory)));
  await new Promise<void>((done) => server.listen(join(folder, 'admin.sock'), done));
  t.teardown(() => server.close());
  t.equal((await said('__complete', 'thing', 've')).out, 'veth0\nveth1\n');
  t.equal((await said('__complete', 'thing', '80')).out, '8080\n');
  t.equal((await said('__complete', 'thing', '172')).out, '172.20.0.2\n');
  t.equal((await said('__complete', 'network', 'br')).out, 'br-shop\n');
  t.equal((await said('__complete', 'container', 'x')).out, '');
});
