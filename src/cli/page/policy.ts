/** Policies (Content-Security-Policy) that keep a browser from loading or running anything that is not in the page itself. */
import { createHash } from 'node:crypto';
import { pageScript } from '../../operator/page/script.js';
import { pageStyle } from '../../operator/page/style.js';

const hash = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const always = `default-src 'none'; style-src ${hash(pageStyle)}; base-uri 'none'`;

/** Of a page in a file: no script at all, no connection. */
export const filePolicy = `${always}; form-action 'none'`;

/** Of a served page: its one script, by its hash; the events that the script asks for; forms that ask the same server. */
const servedPolicy =
  `${always}; script-src ${hash(pageScript)}; connect-src 'self'; form-action 'self'; ` +
  "frame-ancestors 'none'";

export const servedHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': servedPolicy,
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};
