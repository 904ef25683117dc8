/** What the shells offer after `tsbridge` and the tab key: where each of them looks for it. */
import { completionScript } from '../src/cli/table/completion.js';
import { commands } from '../src/cli/table.js';

/** Path below the root of the host → script. */
export function completions(): Readonly<Record<string, string>> {
  return {
    'usr/share/bash-completion/completions/tsbridge': completionScript('bash', commands),
    'usr/share/zsh/vendor-completions/_tsbridge': completionScript('zsh', commands),
    'usr/share/fish/vendor_completions.d/tsbridge.fish': completionScript('fish', commands),
  };
}
