/** What the daemon has done and found lately. */
import type { PageFacts } from './facts.js';
import { type Html, html } from './html.js';

export function eventsSection({ events, lastEvent }: PageFacts, served: boolean): Html {
  if (events === undefined) {
    return section(html`<p class="unsure">The daemon does not run, and keeps them in memory.</p>`);
  }
  const live = served
    ? html`<p id="live" class="quiet" role="status">They are as of when the page was made; read it again for newer ones.</p>`
    : html`<p class="quiet">The newest first.</p>`;
  const items = events.map(
    ({ at, kind, words }) =>
      html`<li><time class="quiet mono">${at}</time> <strong>${kind}</strong> ${words}</li>\n`,
  );
  return section(html`${live}
<ol class="events" id="events" data-last="${lastEvent}" tabindex="0" aria-label="events">${items}</ol>`);
}

function section(content: Html): Html {
  return html`<section aria-labelledby="events-of-daemon">
<h2 id="events-of-daemon">Events</h2>
${content}
</section>`;
}
