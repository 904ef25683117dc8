/** The page of a host as one document, which needs nothing beside itself. Pure. */
import type { PathPicture } from '../picture/path-picture.js';
import { pathSvg } from '../picture/path-picture.js';
import { containersSection, networksSection, topologySection } from './containers.js';
import { eventsSection } from './events.js';
import type { PageFacts } from './facts.js';
import { findingsSection } from './findings.js';
import { type Html, html, nothing, scriptHtml, styleHtml, svgHtml } from './html.js';
import { portsSection } from './ports.js';
import { pageScript } from './script.js';
import { pageStyle } from './style.js';

/**
 * `file`: for a ticket, without a script, with its policy in itself; `served`: with forms, and with events as they happen.
 */
export type PageKind = 'file' | 'served';

export interface DocumentParts {
  readonly title: string;
  readonly body: Html;
  /** The policy for a file, which no server can send; undefined: the server sends it. */
  readonly policy: string | undefined;
  readonly script: boolean;
}

/** A whole document of HTML. */
export function documentOf({ title, body, policy, script }: DocumentParts): string {
  const meta =
    policy === undefined
      ? nothing
      : html`<meta http-equiv="Content-Security-Policy" content="${policy}">\n`;
  const head = html`<meta charset="utf-8">
${meta}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
${styleHtml(pageStyle)}`;
  const end = script ? scriptHtml(pageScript) : nothing;
  return `<!doctype html>\n${html`<html lang="en">
<head>
${head}
</head>
<body>
${body}
${end}
</body>
</html>
`}`;
}

/** @param policy of a file; see {@link DocumentParts} */
export function hostPage(facts: PageFacts, kind: PageKind, policy?: string): string {
  const served = kind === 'served';
  const body = html`<a class="skip" href="#main">To the content</a>
${header(facts, served)}
<main id="main">
${findingsSection(facts)}
${topologySection(facts)}
${portsSection(facts, served)}
${containersSection(facts)}
${networksSection(facts)}
${eventsSection(facts, served)}
</main>`;
  const live = served && facts.events !== undefined;
  return documentOf({ title: `${facts.host} – tsbridge`, body, policy, script: live });
}

/** The way of one packet, as a page that leads back. */
export function wayPage(command: string, way: PathPicture, text: readonly string[]): string {
  const body = html`<p><a href="/">Back to the host</a></p>
<main id="main">
<h1>The way of a packet</h1>
<p><code>${command}</code></p>
<div class="scroll" role="region" aria-label="the way of the packet" tabindex="0">${svgHtml(pathSvg(way, 'page'))}</div>
<details><summary>In words</summary><div class="mono">${text.map((line) => html`<div>${line}</div>`)}</div></details>
</main>`;
  return documentOf({ title: `${command} – tsbridge`, body, policy: undefined, script: false });
}

/** A document that says why there is no answer: the request was wrong, or something could not be found out. */
export function problemPage(title: string, words: string): string {
  const body = html`<main id="main"><h1>${title}</h1>\n<p>${words}</p>\n<p><a href="/">Back to the host</a></p></main>`;
  return documentOf({ title, body, policy: undefined, script: false });
}

const sections = [
  ['findings', 'Findings'],
  ['topology', 'Topology'],
  ['ports', 'Ports'],
  ['containers', 'Containers'],
  ['networks', 'Networks'],
  ['events-of-daemon', 'Events'],
] as const;

function header(facts: PageFacts, served: boolean): Html {
  const { host, at, version, source, status, warnings } = facts;
  const again = served ? html` · <a href="/">Read it again</a>` : nothing;
  return html`<header>
<h1>${host}</h1>
<p class="quiet">As it was at <time datetime="${at}">${at}</time>, told by ${source}; tsbridge ${version}${again}</p>
${warnings.map((words) => html`<p class="unsure" role="note">${words}</p>`)}
<dl>${status.map(([name, value]) => html`<dt class="quiet">${name}</dt><dd>${value}</dd>`)}</dl>
<nav aria-label="Sections"><ul>${sections.map(([id, words]) => html`<li><a href="#${id}">${words}</a></li>`)}</ul></nav>
</header>`;
}
