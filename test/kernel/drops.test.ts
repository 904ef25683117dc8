/** Packets that rules of every kind eat while `tsbridge drops` looks. */
import { createSocket } from 'node:dgram';
import type { DropItem } from '../../src/cli/schemas/drops.js';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { dispatch } = await import('../../src/cli/dispatch.js');
const { documentOf } = await import('../process/documents.js');

async function drops(...args: string[]) {
  const said = { out: '', err: '' };
  const code = await dispatch(['drops', '--for=0.5', ...args], {
    environment: {},
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
  });
  return { code, ...said };
}

/** Sends to all of these ports until it is told to stop. */
function sending(ports: readonly number[]): () => void {
  const [four, six] = [createSocket('udp4'), createSocket('udp6')];
  // A refused packet is what a rule of REJECT answers with.
  for (const socket of [four, six]) socket.on('error', () => undefined);
  const timer = setInterval(() => {
    for (const port of ports) {
      four.send('x', port, '127.0.0.1', () => undefined);
      six.send('x', port, '::1', () => undefined);
    }
  }, 20);
  return () => {
    clearInterval(timer);
    four.close();
    six.close();
  };
}

t.test('nothing is dropped', async (t) => {
  t.match(await drops(), { code: 0, err: '', out: /^ *PACKETS\/s/ });
});

t.test('rules of both variants, both families, and of nft', async (t) => {
  const dropped = (port: number) => `-A INPUT -p udp --dport ${port} -j DROP`.split(' ');
  run('iptables-nft', dropped(1001));
  run('ip6tables-nft', dropped(1002));
  run('iptables-legacy', dropped(1003));
  run('iptables-nft', ['-N', 'f2b-x']);
  run('iptables-nft', ['-A', 'INPUT', '-p', 'udp', '--dport', '1004', '-j', 'f2b-x']);
  run('iptables-nft', ['-A', 'f2b-x', '-j', 'REJECT']);
  run('iptables-nft', dropped(1099));
  const native = `table inet my {
    chain i {
      type filter hook input priority 5; policy accept;
      udp dport 1005 counter drop comment "hidden \u001b[2K"
      udp dport 1006 drop
    }
  }`;
  run('nft', ['-f', '-'], native);
  const rules = () =>
    ['iptables-nft-save', 'ip6tables-nft-save', 'iptables-legacy-save'].map((file) =>
      run(file, []).replace(/^#.*|\[\d+:\d+\]/gm, ''),
    );
  const before = rules();
  t.teardown(sending([1001, 1002, 1003, 1004, 1005, 1006]));
  const { code, out } = await drops('--json');
  t.equal(code, 3);
  const document = documentOf(out);
  const items = document.items as readonly DropItem[];
  const found = items.map(({ variant, family, chain, number, owner }) =>
    [variant, family, chain, number, owner].join(' '),
  );
  t.strictSame(found.sort(), [
    'legacy ip INPUT 1 ',
    'native inet i 1 ',
    'nft ip INPUT 1 ',
    'nft ip f2b-x 1 fail2ban',
    'nft ip6 INPUT 1 ',
  ]);
  t.ok(items.every(({ packets, packetsPerSecond }) => packets > 0 && packetsPerSecond > 0));
  t.match(document.notCounted, ['inet my i udp dport 1006 drop']);
  const people = await drops('--wide');
  t.match(people, { code: 3, err: /not counted: inet my i udp dport 1006 drop/ });
  t.match(people.out, /nft inet my i 1 .*hidden \\u001b\[2K/);
  t.notOk(`${people.out}${people.err}`.includes('\u001b'));
  t.strictSame(rules(), before, 'no rule was added');
});
