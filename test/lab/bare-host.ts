/** A Debian without systemd, Node.js or anything of the lab's, on which packages are installed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineRoot } from './lab.js';
import { CommandError, childrenOf, LAB_ENV, run } from './process.js';

/** The first process: it ends with its input, and the kernel takes the mounts away. */
const init = `
mount --make-rprivate /
mount -t tmpfs -o mode=755 tsbridge-host "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
mount -t tmpfs -o mode=755 tmpfs "$2/root/run"
mount -t tmpfs -o mode=1777 tmpfs "$2/root/tmp"
mount --rbind /dev "$2/root/dev"
echo ready
cat`;

const timeoutMs = 180_000;

export class BareHost {
  readonly #holder: ChildProcess;
  readonly #folder: string;
  readonly #enter: readonly string[];

  private constructor(holder: ChildProcess, folder: string, pid: number) {
    this.#holder = holder;
    this.#folder = folder;
    // The machine's programs stay in reach: Debian's roots have no rpm.
    this.#enter = ['nsenter', '-t', String(pid), '--mount', '--net', '--pid', '--'];
  }

  static async create(suite: 'bookworm' | 'trixie'): Promise<BareHost> {
    const root = await engineRoot(suite);
    const folder = mkdtempSync(join(tmpdir(), 'tsbridge-host-'));
    const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child=KILL'];
    const holder = spawn('unshare', [...namespaces, 'sh', '-ec', init, 'init', root, folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: LAB_ENV,
    });
    const ended = once(holder, 'exit').then(() => Promise.reject(new Error('no bare host')));
    await Promise.race([once(holder.stdout, 'data'), ended]);
    // From here on it ends when it is told to.
    ended.catch(() => {});
    const [pid] = holder.pid === undefined ? [] : childrenOf(holder.pid);
    if (pid === undefined) throw new Error('the first process of the host is not there');
    return new BareHost(holder, folder, pid);
  }

  /** Puts a file of the machine into the host's `/tmp`. */
  async put(path: string): Promise<void> {
    await run([...this.#enter, 'cp', path, join(this.#folder, 'root/tmp')]);
  }

  /** Runs a line of shell there, without the test runner's loader in the environment. */
  sh(line: string): Promise<string> {
    const command = ['env', '-u', 'NODE_OPTIONS', 'sh', '-ec', line];
    return run([...this.#enter, 'chroot', join(this.#folder, 'root'), ...command], { timeoutMs });
  }

  /** The machine's rpm on this host's files; a package's scripts run inside of it. */
  rpm(...args: readonly string[]): Promise<string> {
    const database = ['--root', join(this.#folder, 'root'), '--dbpath', '/var/lib/rpm'];
    return run([...this.#enter, 'rpm', ...database, ...args], { timeoutMs });
  }

  /** Every path with mode, owner and target; neither times nor the package tools' own records. */
  async files(): Promise<string[]> {
    const skip = ['/proc', '/sys', '/dev', '/tmp', '/var/lib/dpkg', '/var/lib/rpm', '/var/log'];
    const skipped = skip.map((path) => `-path ${path}`).join(' -o ');
    const text = await this.sh(`find / \\( ${skipped} \\) -prune -o -printf '%p %M %U:%G %l\\n'`);
    return text.split('\n').sort();
  }

  async dispose(): Promise<void> {
    if (this.#holder.exitCode === null && this.#holder.signalCode === null) {
      const gone = once(this.#holder, 'exit');
      this.#holder.kill('SIGKILL');
      await gone;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What a command says when it refuses; a command that does not is an answer as well. */
export async function refusal(command: Promise<string>): Promise<string> {
  try {
    return `no refusal: ${await command}`;
  } catch (error) {
    if (error instanceof CommandError) return error.stdout + error.stderr;
    throw error;
  }
}
