/** A container that answers, and a client beyond the host that counts the packets without an answer. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { run } from '../test/process/netns.js';
import { moveInto } from './bare-calls.js';

const beat = fileURLToPath(new URL('./beat.mjs', import.meta.url));
const echo = 19_999;

/** The published port that the client sends to. */
export const echoPort = {
  'com.docker.network.portmap': [
    { Proto: 17, IP: '', Port: echo, HostIP: '0.0.0.0', HostPort: echo, HostPortEnd: echo },
  ],
};

export interface Sending {
  /** Sends no more, and tells how many packets were sent and had no answer. */
  end(): Promise<{ readonly sent: number; readonly lost: number }>;
}

export class BareClient {
  readonly #children: ChildProcess[] = [];

  /** The container at `link` answers from now on, and the client can reach the host. */
  connect(link: string): void {
    const ip = (...args: readonly string[]) => run('ip', args);
    for (const name of ['client', 'container']) ip('netns', 'add', name);
    moveInto('container', link, 0);
    ip('link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'client');
    ip('addr', 'add', '192.0.2.1/24', 'dev', 'lan');
    ip('link', 'set', 'lan', 'up');
    ip('-n', 'client', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0');
    ip('-n', 'client', 'link', 'set', 'eth0', 'up');
    this.#spawn('container', 'echo', String(echo));
  }

  /** The client sends a packet each millisecond, beginning before this returns. */
  async send(): Promise<Sending> {
    const client = this.#spawn('client', 'beat', '192.0.2.1', String(echo));
    await said(client, 'beating');
    return {
      end: async () => {
        const answer = said(client, 'sent');
        client.kill('SIGTERM');
        return JSON.parse(await answer);
      },
    };
  }

  stop(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  #spawn(namespace: string, ...args: readonly string[]): ChildProcess {
    const command = ['netns', 'exec', namespace, process.execPath, beat, ...args];
    const child = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    return child;
  }
}

/** The first line of its output with this word. */
function said(child: ChildProcess, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (part) => {
      text += String(part);
      const line = text.split('\n').find((each) => each.includes(word));
      if (line !== undefined) resolve(line);
    });
    child.once('exit', () => reject(new Error(`it ended: ${text}`)));
  });
}
