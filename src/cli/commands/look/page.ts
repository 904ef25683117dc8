/** `tsbridge page`: the host as a page to look at, in a file or served to a browser on this machine. */
import { asOfNow } from '../../../operator/names/as-of.js';
import { readVersion } from '../../../version.js';
import { beginCall, type CallFlags } from '../../call.js';
import { command } from '../../define.js';
import { fit, plain } from '../../output/fit.js';
import { type CommandLine, flag, optional, type Parameters } from '../../table/entry.js';
import { daemonFlags, namesFlags } from '../../table/flags.js';
import { filePath, type Kind, unixSocket } from '../../table/kinds.js';
import { UsageError } from '../../table/parse.js';

interface Loopback {
  readonly host: string;
  readonly port: number;
}

const loopback: Kind<Loopback> = {
  accepts: '127.0.0.1:PORT or [::1]:PORT; port 0: one that is free',
  placeholder: 'ADDRESS:PORT',
  parse: (given) => {
    const [, host = '', digits = ''] = /^(127\.0\.0\.1|\[::1\]):(\d{1,5})$/.exec(given) ?? [];
    const port = Number(digits);
    if (host === '' || port > 65_535) return undefined;
    return { host: host.replace(/[[\]]/g, ''), port };
  },
};

/** Milliseconds without a request, and without an open page that shows events, after which serving ends. */
const idleMs = 30 * 60_000;

export const pageCommand = command({
  name: 'page',
  summary: 'this host as a page to look at: topology, ports, findings, ways of packets, events',
  about: [
    'With --write: one file that needs nothing beside itself, for a ticket. Only its owner can read it; it has names and ' +
      'addresses, and lines of rules.',
    'Otherwise it is served, until Ctrl-C or until nobody has asked for it for 30 minutes: on 127.0.0.1, by an address with a token ' +
      'that works once; or, with --socket, on a unix socket, so that nothing listens on TCP on this host. From another machine: ' +
      'ssh -L 127.0.0.1:8123:/run/tsbridge/page.sock root@HOST, and then http://127.0.0.1:8123/ there.',
    'Nothing can be changed by it. It works without JavaScript; with it, events are added as they happen. Without the daemon it ' +
      'tells what the records have.',
  ],
  words: {},
  flags: {
    write: optional(filePath, 'write it to this file, and replace what is there'),
    listen: optional(loopback, 'serve it there (127.0.0.1:0)'),
    socket: optional(unixSocket, 'serve it on this unix socket, which only its owner may use'),
    from: optional(
      filePath,
      'with --write: show the host that this bundle of tsbridge diags is from; nothing of this host is asked',
    ),
    'no-reach': flag('do not work out from where ports are reached'),
    ...namesFlags,
    ...daemonFlags,
  },
  examples: [
    { line: 'tsbridge page --write /root/host.html', does: 'for a ticket' },
    {
      line: 'tsbridge page --write host.html --from ticket.tar.gz',
      does: 'shows the host that a bundle of tsbridge diags is from',
    },
    { line: 'tsbridge page', does: 'prints an address for a browser on this machine' },
    { line: 'tsbridge page --socket /run/tsbridge/page.sock', does: 'for ssh -L' },
  ],
  exits: {
    ok: 'written; or served until Ctrl-C, or until nobody asked for it any more',
    failed:
      'neither the daemon nor its records could be read, the file of --from is no bundle, or the file or socket could not be made',
    usage: 'wrong command line',
  },
  async run(line, terminal) {
    const { flags } = line;
    const { write, listen, socket, from } = flags;
    if ([write, listen, socket].filter((each) => each !== undefined).length > 1) {
      throw new UsageError('give only one of --write, --listen and --socket');
    }
    if (from !== undefined && write === undefined) {
      throw new UsageError('a page of a bundle is written to a file: --from needs --write');
    }
    const more = { json: false, color: undefined };
    // `beginCall` reads only the flags that all calls share: this line has them, beside flags of its own.
    const whole = { ...line, flags: { ...flags, ...more } } as unknown as CommandLine<
      Parameters,
      CallFlags
    >;
    const call = await beginCall<Parameters, CallFlags>(whole, terminal, 10_000);
    const args = [
      ...(['runtime-dir', 'state-dir', 'config'] as const).flatMap((name) =>
        flags[name] === undefined ? [] : [`--${name}=${flags[name]}`],
      ),
      `--timeout=${call.timeoutMs / 1_000}`,
      ...(flags['no-names'] ? ['--no-names'] : []),
    ];
    const version = await readVersion();
    const wishes = { args, terminal, version, reach: !flags['no-reach'] };
    if (write !== undefined) {
      const [{ readPage }, { hostPage }, { filePolicy }, { replaceFile }] = await Promise.all([
        import('../../page/read.js'),
        import('../../../operator/page/page.js'),
        import('../../page/policy.js'),
        import('../../output/replace-file.js'),
      ]);
      const facts =
        from === undefined
          ? await readPage(call, { ...wishes, at: asOfNow(), ways: true })
          : await (await import('../../page/bundled.js')).readBundledPage(from, wishes);
      await replaceFile(write, hostPage(facts, 'file', filePolicy), 0o600);
      for (const warning of facts.warnings) terminal.err(plain`tsbridge page: ${warning}\n`);
      return 'ok';
    }
    const [{ servePage }, { pageSource }] = await Promise.all([
      import('../../page/server.js'),
      import('../../page/source.js'),
    ]);
    await servePage({
      where: socket !== undefined ? { path: socket } : (listen ?? { host: '127.0.0.1', port: 0 }),
      source: pageSource(call, { ...wishes, ways: false }),
      idleMs,
      end: terminal.interruption?.() ?? new AbortController().signal,
      ready: (url) => {
        terminal.out(plain`${fit(url)}\n`);
        terminal.err(plain`tsbridge page: it is served until Ctrl-C\n`);
      },
    });
    return 'ok';
  },
});
