/** What `tsbridge doctor` has found. */
import type { PageFacts, PageFinding } from './facts.js';
import { type Html, html } from './html.js';

export function findingsSection({ findings, notChecked }: PageFacts): Html {
  return html`<section aria-labelledby="findings">
<h2 id="findings">Findings</h2>
${findings === undefined ? html`<p class="unsure">The checks could not be done.</p>` : shown(findings)}
${notChecked.length === 0 ? [] : html`<p class="quiet">Not checked: ${notChecked.join(', ')}</p>`}
</section>`;
}

function shown(findings: readonly PageFinding[]): readonly Html[] {
  if (findings.length === 0)
    return [html`<p class="good">Nothing is wrong, as far as was checked.</p>`];
  return findings.map(
    ({
      severity,
      code,
      object,
      evidence,
      means,
      command,
    }) => html`<article class="finding ${severity}">
<h3><span class="${classOf[severity]}">${severity}</span> ${code}: ${object}</h3>
<p>${evidence}</p>
<p class="quiet">${means}</p>
<pre tabindex="0" aria-label="the command that helps">${command}</pre>
</article>\n`,
  );
}

const classOf = { error: 'bad', warning: 'unsure', notice: 'quiet' } as const;
