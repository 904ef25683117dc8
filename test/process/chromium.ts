/** Debian's Chromium without a window, told what to do by the DevTools protocol over a pipe. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

export const program = '/usr/bin/chromium';
/** For `skip`: why there is no browser, or false. */
export const NO_CHROMIUM = existsSync(program) ? false : `${program} is not installed`;

type Answer = Readonly<Record<string, unknown>>;

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--hide-scrollbars', '--remote-debugging-pipe'],
];

export class Chromium {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #next = 1;
  #session: string | undefined;
  #rest = '';
  /** Messages of the console and of the policy, as the browser has them. */
  readonly complaints: string[] = [];

  private constructor(
    private readonly process: ChildProcess,
    private readonly folder: string,
    private readonly input: Writable,
  ) {}

  static async start(): Promise<Chromium> {
    const folder = mkdtempSync(join(tmpdir(), 'tsbridge-chromium-'));
    const child = spawn(program, [...flags, `--user-data-dir=${folder}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    const browser = new Chromium(child, folder, child.stdio[3] as Writable);
    (child.stdio[4] as Readable).setEncoding('utf8').on('data', (text) => browser.#read(text));
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
    const attached = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    browser.#session = String(attached.sessionId);
    for (const domain of ['Page', 'Runtime', 'Log']) await browser.send(`${domain}.enable`);
    return browser;
  }

  send(method: string, params: Answer = {}): Promise<Answer> {
    const id = this.#next++;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result as Answer);
        else reject(new Error(`${method}: ${JSON.stringify(error)}`));
      });
      this.input.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    });
  }

  #read(text: string): void {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop() ?? '';
    for (const each of messages) {
      const message = JSON.parse(each) as Answer & { id?: number; method?: string };
      if (message.id !== undefined) {
        this.#waiting.get(message.id)?.(message);
        this.#waiting.delete(message.id);
      } else if (
        message.method === 'Log.entryAdded' ||
        message.method === 'Runtime.exceptionThrown'
      ) {
        this.complaints.push(JSON.stringify(message.params));
      }
    }
  }

  /** The value of an expression in the page; a promise is waited for. */
  async value<T>(expression: string): Promise<T> {
    const wishes = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', wishes);
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  async open(url: string): Promise<void> {
    await this.send('Page.navigate', { url });
    await this.until(`document.readyState === 'complete' && location.href !== 'about:blank'`);
  }

  /** Waits for a minute at most: the machine may be busy. */
  async until(condition: string): Promise<void> {
    for (let turn = 0; turn < 600; turn += 1) {
      if (await this.value<boolean>(`Boolean(${condition})`).catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`not within a minute: ${condition}`);
  }

  async screen(width: number, scheme: 'light' | 'dark', script = true): Promise<void> {
    const size = { width, height: 900, deviceScaleFactor: 1, mobile: width < 600 };
    await this.send('Emulation.setDeviceMetricsOverride', size);
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await this.send('Emulation.setEmulatedMedia', { features });
    await this.send('Emulation.setScriptExecutionDisabled', { value: !script });
  }

  /** The upper part of the page, as PNG. */
  async picture(height = 2_400): Promise<Buffer> {
    const width = await this.value<number>('innerWidth');
    const clip = { x: 0, y: 0, width, height, scale: 1 };
    const wishes = { format: 'png', captureBeyondViewport: true, clip };
    const { data } = await this.send('Page.captureScreenshot', wishes);
    return Buffer.from(String(data), 'base64');
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await ended;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }
}
