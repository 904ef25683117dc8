/** Tables whose rows become cards on a phone. */
import { type Html, html, type Value } from './html.js';

export interface PageRow {
  /** `port-3`: where a link of a picture leads to. */
  readonly id: string | undefined;
  /** As many as there are titles. */
  readonly cells: readonly Value[];
}

export function tableHtml(
  caption: string,
  titles: readonly string[],
  rows: readonly PageRow[],
): Html {
  const row = ({ id, cells }: PageRow): Html => {
    const all = cells.map(
      (cell, index) => html`<td data-label="${titles[index] ?? ''}"><div>${cell}</div></td>`,
    );
    return id === undefined ? html`<tr>${all}</tr>\n` : html`<tr id="${id}">${all}</tr>\n`;
  };
  return html`<table aria-label="${caption}">
<thead><tr>${titles.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>
${rows.map(row)}</tbody>
</table>`;
}
