/**
 * Decides of each request, before anything is done for it, whether its sender may read the page. Pure, but for the
 * random secrets.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';

/** The parts of a request by which it is let in or refused. */
export interface Asked {
  readonly method: string;
  /** As sent: path and query. */
  readonly target: string;
  /** The values of all headers of this name: a request may repeat a header. */
  header(name: 'host' | 'origin' | 'sec-fetch-site' | 'cookie'): readonly string[];
}

export type Decision =
  | { readonly kind: 'read'; readonly path: string; readonly query: URLSearchParams }
  /** The token was right: the browser gets its cookie, and is led to the page without the token. */
  | { readonly kind: 'welcome'; readonly cookie: string }
  | { readonly kind: 'refuse'; readonly status: 400 | 403 | 405 | 421; readonly words: string };

/**
 * Names by which a browser reaches a server on a loopback address. Whoever owns another name can let it resolve to that address,
 * and so have a page of his own read the server (DNS rebinding).
 */
const loopbackHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::(\d{1,5}))?$/;
const maxTarget = 2_048;

export class Access {
  readonly #token = secret();
  readonly #cookie = secret();
  #isUsed = false;

  /**
   * @param port on which TCP connections are taken; undefined: a unix socket, whose mode decides who may connect, and which a
   * browser reaches by a port of another machine
   */
  constructor(private readonly port: number | undefined) {}

  /** Part of the address that the command prints; it lets one browser in, once. */
  get token(): string {
    return this.#token;
  }

  decide(asked: Asked): Decision {
    const { method, target } = asked;
    if (method !== 'GET' && method !== 'HEAD') {
      return refused(405, 'The page can only be read.');
    }
    if (target.length > maxTarget || !target.startsWith('/')) return refused(400, 'Wrong address.');
    const [host = '', ...more] = asked.header('host');
    const named = loopbackHost.exec(host);
    // In the header Host, browsers leave port 80 out, the default of HTTP.
    const isOurs = this.port === undefined || (named?.[1] ?? '80') === String(this.port);
    if (named === null || more.length > 0 || !isOurs) {
      return refused(
        421,
        'This is not the name of a page of tsbridge: use 127.0.0.1 or localhost.',
      );
    }
    const isForeign =
      asked.header('origin').some((origin) => origin !== `http://${host}`) ||
      asked.header('sec-fetch-site').some((site) => site !== 'same-origin' && site !== 'none');
    if (isForeign) return refused(403, 'Another site asked for the page: open it by its address.');
    const cut = target.indexOf('?');
    const path = cut === -1 ? target : target.slice(0, cut);
    const query = new URLSearchParams(cut === -1 ? '' : target.slice(cut + 1));
    return this.#admit(asked, path, query);
  }

  #admit(asked: Asked, path: string, query: URLSearchParams): Decision {
    if (this.port === undefined) return { kind: 'read', path, query };
    const name = `tsbridge-page-${this.port}`;
    const cookies = asked.header('cookie').flatMap((line) => line.split(';'));
    const isKnown = cookies.some((each) => {
      const [key = '', value = ''] = each.trim().split('=');
      return key === name && equal(value, this.#cookie);
    });
    const token = query.get('token');
    if (path === '/' && token !== null && !this.#isUsed && equal(token, this.#token)) {
      // A HEAD request, as of a preview of the link, does not use it up.
      if (asked.method === 'GET') this.#isUsed = true;
      const cookie = `${name}=${this.#cookie}; Path=/; HttpOnly; SameSite=Strict`;
      return { kind: 'welcome', cookie };
    }
    if (isKnown) return { kind: 'read', path, query };
    const words =
      token === null
        ? 'Open the page by the address that the command has printed: it has a token.'
        : 'The token is wrong, or was used before: it works once. Start the command again for another one.';
    return refused(403, words);
  }
}

function refused(status: 400 | 403 | 405 | 421, words: string): Decision {
  return { kind: 'refuse', status, words };
}

/** 128 bits. */
const secret = (): string => randomBytes(16).toString('base64url');

/** Takes the same time however many characters agree, so that a secret cannot be guessed piece by piece. */
function equal(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
