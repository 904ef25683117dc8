/** The style sheet of the page. It needs nothing from elsewhere: no font, no picture. */
import { dark, light, pictureStyle, type Theme } from '../picture/palette.js';

function variables(theme: Theme): string {
  return Object.entries(theme)
    .map(([name, colour]) => `--${name}: ${colour};`)
    .join(' ');
}

/** Below this many pixels of width, rows of tables become cards. */
const phone = 700;

export const pageStyle: string = [
  `:root { color-scheme: light dark; ${variables(light)} }`,
  `@media (prefers-color-scheme: dark) { :root { ${variables(dark)} } }`,
  '* { box-sizing: border-box }',
  'body { margin: 0 auto; max-width: 1120px; padding: 0 16px 48px; background: var(--ground); color: var(--ink);',
  ' font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }',
  'h1 { font-size: 22px; margin: 20px 0 4px } h2 { font-size: 18px; margin: 32px 0 8px; padding-top: 8px;',
  ' border-top: 1px solid var(--edge) } h3 { font-size: 15px; margin: 12px 0 4px }',
  'a { color: var(--link) } p { margin: 4px 0 }',
  'code, pre, .mono { font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace }',
  'code { background: var(--raised); border: 1px solid var(--edge); border-radius: 4px; padding: 0 4px }',
  '.quiet { color: var(--quiet) } .good { color: var(--good) } .bad { color: var(--bad) } .unsure { color: var(--unsure) }',
  '.skip { position: absolute; left: -9999px } .skip:focus { position: static }',
  ':focus-visible { outline: 3px solid var(--link); outline-offset: 2px }',
  ':target { outline: 2px solid var(--unsure); outline-offset: 2px }',
  'nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; margin: 8px 0; padding: 0 }',
  'dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 8px 0 } dd { margin: 0 }',
  'table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: 5px 10px 5px 0;',
  ' border-bottom: 1px solid var(--edge); vertical-align: top } th { color: var(--quiet); font-weight: 600 }',
  '.scroll { overflow-x: auto; border: 1px solid var(--edge); border-radius: 6px; margin: 8px 0 }',
  '.scroll svg { display: block }',
  'details { border: 1px solid var(--edge); border-radius: 6px; margin: 6px 0; padding: 0 12px }',
  'details[open] { padding-bottom: 10px } summary { cursor: pointer; padding: 7px 0 }',
  '.finding { border-left: 4px solid var(--edge); padding: 2px 0 2px 12px; margin: 12px 0 }',
  '.finding.error { border-color: var(--bad) } .finding.warning { border-color: var(--unsure) }',
  '.finding pre { background: var(--raised); border: 1px solid var(--edge); border-radius: 4px; padding: 6px 8px;',
  ' margin: 4px 0; white-space: pre-wrap }',
  'ol.events { list-style: none; margin: 8px 0; padding: 0; max-height: 480px; overflow-y: auto }',
  'ol.events li { border-bottom: 1px solid var(--edge); padding: 3px 0 }',
  'form { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: end; margin: 8px 0 }',
  'label { display: grid; gap: 2px } input, button { font: inherit; color: inherit; background: var(--ground);',
  ' border: 1px solid var(--edge); border-radius: 4px; padding: 4px 8px; min-height: 36px }',
  'button { background: var(--raised); cursor: pointer }',
  `@media (max-width: ${phone}px) { thead { position: absolute; left: -9999px }`,
  ' tr { display: block; border-bottom: 1px solid var(--edge); padding: 6px 0 }',
  ' td { display: grid; grid-template-columns: 9em 1fr; border: 0; padding: 1px 0 }',
  ' td::before { content: attr(data-label); color: var(--quiet) } dl { grid-template-columns: 1fr }',
  ' dt { color: var(--quiet) } }',
  '@media print { nav, form { display: none } .scroll { overflow: visible } }',
  ...pictureStyle(),
  'svg { max-width: none }',
].join('\n');
