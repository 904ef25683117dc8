/** A probe: a process in a network namespace of its own, which has no name and ends with this command. */
import { createInterface } from 'node:readline';
import { awaitedLater } from '../../background.js';
import type { Family } from '../../core/address.js';
import { type LongProcess, spawnProcess } from '../../host/process/exec.js';
import type { Answer, Order, Question, Reply } from '../../probe/protocol.js';
import { probeProgram } from '../../probe-program.js';

/** Milliseconds for what is more than the time that a question takes: a start of Node.js on a busy host. */
const patienceMs = 20_000;

type OrderWithoutId = Order extends infer One
  ? One extends Order
    ? Omit<One, 'id'>
    : never
  : never;

export class ProbeProcess {
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #last = 0;
  #ended: string | undefined;

  private constructor(
    private readonly child: LongProcess,
    private readonly name: string,
  ) {
    if (child.stdout !== undefined) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const reply = JSON.parse(line) as Reply;
        this.#waiting.get(reply.id)?.(reply);
        this.#waiting.delete(reply.id);
      });
    }
    awaitedLater(child.ended.then(({ description }) => this.#fail(description)));
  }

  /** @param name for errors @throws {Error} if it cannot have a namespace of its own */
  static async start(name: string): Promise<ProbeProcess> {
    const args = ['--disable-sigusr1', '--max-semi-space-size=1', '--v8-pool-size=1'];
    const child = spawnProcess(process.execPath, [...args, probeProgram()], {
      stderr: 'pipe',
      env: { NODE_OPTIONS: '' },
    });
    const words: string[] = [];
    child.stderr?.on('data', (text) => words.push(String(text)));
    const probe = new ProbeProcess(child, name);
    try {
      await probe.#reply(0, patienceMs);
    } catch (error) {
      probe.close();
      const said = words
        .join('')
        .split('\n')
        .find((line) => /Error/.test(line));
      throw said === undefined ? error : new Error(`the probe for ${name}: ${said}`);
    }
    return probe;
  }

  /** Path of its network namespace. */
  get namespace(): string {
    return `/proc/${this.child.pid}/ns/net`;
  }

  async ask(question: Question): Promise<Answer> {
    const { answer } = await this.#order({ do: 'ask', question }, question.timeoutMs + patienceMs);
    if (answer === undefined) throw new Error(`the probe for ${this.name} gave no answer`);
    return answer;
  }

  async serve(port: number, families: readonly Family[]): Promise<void> {
    await this.#order({ do: 'serve', port, families }, patienceMs);
  }

  /** Its namespace goes with it, and every link in there. */
  close(): void {
    this.child.kill('SIGKILL');
  }

  #order(order: OrderWithoutId, withinMs: number): Promise<Reply> {
    this.#last += 1;
    const id = this.#last;
    const reply = this.#reply(id, withinMs);
    this.child.stdin?.write(`${JSON.stringify({ ...order, id })}\n`);
    return reply;
  }

  #reply(id: number, withinMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        this.#waiting.delete(id);
        reject(new Error(`the probe for ${this.name}: ${why}`));
      };
      if (this.#ended !== undefined) return fail(this.#ended);
      const timer = setTimeout(() => fail('it does not answer'), withinMs);
      this.#waiting.set(id, (reply) => {
        clearTimeout(timer);
        if (reply.error === undefined) resolve(reply);
        else fail(reply.error);
      });
    });
  }

  #fail(description: string): void {
    this.#ended = description;
    for (const [id, take] of this.#waiting) take({ id, error: description });
    this.#waiting.clear();
  }
}
