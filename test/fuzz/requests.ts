/** Requests as engines send them, and what becomes of them when somebody means harm. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { withOwnOptions } from './own-options.js';
import type { Random } from './random.js';

export interface HostileRequest {
  readonly method: string;
  /** The body's text; undefined for none. */
  readonly body: string | undefined;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const folder = new URL('../fixtures/wire/', import.meta.url);
const ids = (what: string, count: number) =>
  Array.from({ length: count }, (_, number) =>
    createHash('sha256').update(`${what} ${number}`).digest('hex'),
  );
const networkIds = ids('network', 3);
const endpointIds = ids('endpoint', 4);

const nastyTexts = [
  '',
  ' ',
  '\0',
  '\n',
  'a\nCOMMIT\n*filter\n-F\nCOMMIT\n',
  '"; iptables -F; "',
  "' -j ACCEPT",
  '--help',
  '-j DROP',
  '../../../etc/passwd',
  '/proc/1/ns/net',
  'br-\u0000x',
  'br0 -j ACCEPT',
  'br0\n-A INPUT -j ACCEPT',
  'all',
  'default',
  '.',
  '..',
  '$(reboot)',
  '`reboot`',
  '%s%n',
  '\u202e',
  '\ud800',
  '𝒳'.repeat(9),
  '__proto__',
  'constructor',
  'x'.repeat(5_000),
  '0.0.0.0/0',
  '::/0',
  '255.255.255.255/32',
  '10.0.0.1/33',
  '10.0.0.1/-1',
  '010.0.0.1/8',
  '0x0a.1.1.1',
  '10.5.0.2',
  'fe80::1%eth0/64',
  '::ffff:10.5.0.2/96',
  '01:00:5e:00:00:01',
  'ff:ff:ff:ff:ff:ff',
  '02:42:0a',
  'true',
  '1e3',
  'NaN',
  '65536',
  '-1',
];
const nastyNumbers = [
  0,
  -0,
  -1,
  1,
  1.5,
  65535,
  65536,
  2 ** 31,
  2 ** 53,
  1e308,
  -1e308,
  255,
  132,
  17,
];

/** What an engine sent, with ids and subnets of a small world, so that calls meet each other. */
export class Requests {
  readonly #tour: { method: string; text: string }[];
  readonly #methods: string[];

  constructor(private readonly random: Random) {
    this.#tour = readdirSync(folder)
      .sort()
      .flatMap((file) => readFileSync(new URL(file, folder), 'utf8').split('\n'))
      .filter((line) => line.startsWith('{"url"'))
      .map((line) => {
        const { url, req } = JSON.parse(line) as { url: string; req: Json };
        return { method: url.slice(1), text: req === null ? '' : JSON.stringify(req) };
      });
    this.#methods = [...new Set(this.#tour.map(({ method }) => method))];
  }

  next(): HostileRequest {
    const { random } = this;
    const { method, text } = this.#adapted();
    if (random.chance(35)) return { method, body: text };
    if (random.chance(3)) return { method: random.pick(this.#methods), body: text };
    if (random.chance(3))
      return { method: this.#garbled(method).replace(/\s/g, '') || 'x', body: text };
    if (random.chance(3)) return { method, body: undefined };
    if (random.chance(15)) return { method, body: this.#garbled(text) };
    if (random.chance(5)) return { method, body: this.#twice(text) };
    if (random.chance(1)) return { method, body: this.#heap() };
    return { method, body: this.#mutated(text) };
  }

  /** As an engine sent it first. */
  sample(method: string): HostileRequest {
    const found = this.#tour.find((request) => request.method === method);
    if (found === undefined) throw new Error(`no ${method} in the fixtures`);
    return { method, body: found.text };
  }

  #adapted(): { method: string; text: string } {
    const { random } = this;
    const { method, text } = random.pick(this.#tour);
    const network = random.number(networkIds.length);
    const adapted = text
      .replace(/("NetworkID":)"[^"]*"/, `$1"${networkIds[network]}"`)
      .replace(/("EndpointID":)"[^"]*"/, `$1"${random.pick(endpointIds)}"`)
      .replace(/172\.(\d+)\./g, `172.${18 + network}.`);
    return { method, text: random.chance(40) ? withOwnOptions(random, method, adapted) : adapted };
  }

  /** One to three values somewhere in the body become something else. */
  #mutated(text: string): string {
    let body: Json = text === '' ? {} : (JSON.parse(text) as Json);
    for (let left = 1 + this.random.number(3); left > 0; left -= 1) body = this.#mutate(body);
    return JSON.stringify(body) ?? 'null';
  }

  #mutate(value: Json): Json {
    const { random } = this;
    if (typeof value !== 'object' || value === null || random.chance(8))
      return this.#replace(value);
    if (Array.isArray(value)) {
      if (value.length === 0 || random.chance(10)) return [...value, this.#anything(0)];
      if (random.chance(5))
        return Array.from({ length: random.number(300) }, () => value[0] ?? null);
      const at = random.number(value.length);
      return value.map((item, index) => (index === at ? this.#mutate(item) : item));
    }
    const keys = Object.keys(value);
    if (keys.length === 0 || random.chance(8)) {
      return { ...value, [random.pick(nastyTexts)]: this.#anything(0) };
    }
    const key = random.pick(keys);
    const { [key]: old = null, ...rest } = value;
    if (random.chance(8)) return rest;
    if (random.chance(4)) return { ...rest, [this.#nasty(key)]: old };
    return { ...value, [key]: this.#mutate(old) };
  }

  #replace(value: Json): Json {
    const { random } = this;
    if (typeof value === 'string' && random.chance(70)) return this.#nasty(value);
    if (typeof value === 'number' && random.chance(70)) return random.pick(nastyNumbers);
    return this.#anything(0);
  }

  #nasty(text: string): string {
    const { random } = this;
    if (random.chance(40)) return random.pick(nastyTexts);
    if (random.chance(50)) return text + random.pick(nastyTexts);
    return this.#garbled(text);
  }

  #anything(depth: number): Json {
    const { random } = this;
    switch (random.number(depth > 5 ? 5 : 8)) {
      case 0:
        return null;
      case 1:
        return random.chance(50);
      case 2:
        return random.pick(nastyNumbers);
      case 3:
      case 4:
        return random.pick(nastyTexts);
      case 5:
        return Array.from({ length: random.number(4) }, () => this.#anything(depth + 1));
      case 6:
        return { [random.pick(nastyTexts)]: this.#anything(depth + 1) };
      default:
        return {};
    }
  }

  /** Some characters are lost, doubled or become others. */
  #garbled(text: string): string {
    const { random } = this;
    let garbled = text;
    for (let left = 1 + random.number(4); left > 0; left -= 1) {
      const at = random.number(garbled.length + 1);
      const rest = garbled.slice(at + random.number(2));
      const added = random.chance(50) ? String.fromCharCode(random.number(256)) : '';
      garbled = `${garbled.slice(0, at)}${added}${random.chance(10) ? '' : rest}`;
    }
    return garbled;
  }

  /** The same keys again, with other values. */
  #twice(text: string): string {
    const again = this.#mutated(text);
    return text.endsWith('}') && again.startsWith('{"')
      ? `${text.slice(0, -1)},${again.slice(1)}`
      : again;
  }

  /** Deep, or many. */
  #heap(): string {
    const { random } = this;
    const count = 10 + random.number(3_000);
    if (random.chance(50)) return `${'{"Options":'.repeat(count)}1${'}'.repeat(count)}`;
    return `{"NetworkID":"${random.pick(networkIds)}","IPv4Data":[${'{},'.repeat(count)}{}]}`;
  }
}
