/** Who opens connections, and to what: the engine's socket gives root to whoever may write to it. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/** Module → what it connects to; a module that is not listed opens none. */
const connecting: Readonly<Record<string, string>> = {
  'cli/admin-client': "the daemon's own socket",
  'cli/connectivity/lease': 'the same',
  'cli/daemon-text': 'the same',
  'host/docker/docker-socket': "the engine's socket, only to read",
  'probe/ask': 'what a connectivity test asks',
  'proxy/supervision/connection': 'the process that holds published ports',
  'proxy/process/sctp-forwarder': 'containers',
  'proxy/process/worker': 'the socket that it was started with',
  'unix-socket': 'whether somebody listens on a path of ours',
};
const opensConnections =
  /^import\s+(?!type\b)\{[^}]*\b(?:request|get|connect|createConnection|Agent)\b[^}]*\}\s+from\s+'(?:node:)?(?:https?|net|tls|http2)'|^import\s+(?!type\b)[^{;]*from\s+'(?:node:)?(?:https?|net|tls|http2)'/m;

const root = join(dirname(fileURLToPath(import.meta.url)), '../src');
const modules = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).replace(/\.ts$/, ''));
const textOf = (module: string) => readFileSync(join(root, `${module}.ts`), 'utf8');

t.test('only the named modules open connections', async (t) => {
  t.strictSame(
    modules.filter((module) => opensConnections.test(textOf(module))).sort(),
    Object.keys(connecting).sort(),
  );
});

t.test('no request goes over a connection that has waited', async (t) => {
  // The server ends a connection that is idle for 5 s. A request that is sent at that moment fails (ECONNRESET), and
  // nobody knows whether it was carried out.
  for (const module of Object.keys(connecting)) {
    const text = textOf(module);
    const calls = text.match(/(?<!\.)\brequest\(\{/g)?.length ?? 0;
    t.equal(text.match(/\bagent: false\b/g)?.length ?? 0, calls, module);
  }
  const users = modules.filter((module) => /\bfetch\(/.test(textOf(module)));
  t.strictSame(users, [], 'fetch keeps connections');
});

t.test("what reaches the engine's socket knows no other verb than GET", async (t) => {
  const text = textOf('host/docker/docker-socket');
  t.equal(text.match(/\brequest\(/g)?.length, 1);
  // `method: 'POST'`, or a verb in a text.
  t.notMatch(text, /\bmethod\b|\b(?:POST|PUT|DELETE|PATCH)\b|'(?:post|put|delete|patch)'/);
  const users = modules.filter((module) => /\bdocker-socket\.js'/.test(textOf(module)));
  t.strictSame(users.sort(), ['cli/find-names', 'host/docker/docker-engine']);
});

t.test(
  'the event loop sends requests to nf_tables only: those for links may have to wait for a lock',
  async (t) => {
    const users = modules.filter((module) => /\bsendNetlinkNow\(/.test(textOf(module)));
    t.strictSame(users.sort(), ['host/netlink/socket/netlink-calls', 'host/nf-tables/nft-socket']);
    t.match(textOf('host/nf-tables/nft-socket'), /\bconst netfilter = 12;/);
    const sockets = textOf('host/nf-tables/nft-socket').match(/\bopenNetlink\((\w+)/g);
    t.strictSame([...new Set(sockets)], ['openNetlink(netfilter']);
  },
);

t.test(
  'no module looks a link up by if_nametoindex, for which the kernel may run modprobe',
  async (t) => {
    const users = modules.filter((module) => /\bif_nametoindex\(/.test(textOf(module)));
    t.strictSame(users, ['host/netlink/socket/link-names'], 'where the kernel has no other way');
  },
);
