/** Makes text of iptables-save fit for a bundle: takes comments and patterns out, which people write. */
import { markIn } from '../../core/explain/marks.js';

const line =
  /^(?:\*[a-z]+|COMMIT|:[A-Za-z0-9_.-]+ (?:ACCEPT|DROP|-)(?: \[\d+:\d+\])?|(?:\[\d+:\d+\] )?-A [^"']*(?:"(?:[^"\\]|\\.)*"[^"']*)*)$/;
/**
 * A quoted value, which is kept, or an option whose value is free text. The first alternative is why a prefix that
 * reads `--comment ` takes no quotation mark from the comment behind it. LOG prefixes are kept: rules are recognised
 * by them in other logs.
 */
const valueOrFreeText =
  /"(?:[^"\\]|\\.)*"|(--(?:comment|string|hex-string|nflog-prefix|ulog-prefix|u32|bytecode|label)) ("(?:[^"\\]|\\.)*"|\S+)/g;

export interface RulesText {
  readonly text: string;
  /** How many values were left out. */
  readonly withheld: number;
}

/** undefined if a line is not understood: then nothing of the text may be given out. */
export function allowRules(saved: string): RulesText | undefined {
  let withheld = 0;
  const kept: string[] = [];
  for (const each of saved.split('\n')) {
    if (each.startsWith('#') || each === '') continue;
    if (!line.test(each)) return undefined;
    kept.push(
      each.replace(
        valueOrFreeText,
        (whole, option: string | undefined, value: string | undefined) => {
          if (option === undefined || value === undefined) return whole;
          const instead = option === '--comment' ? allowComment(value) : 'withheld';
          if (instead !== value) withheld += 1;
          return `${option} ${instead}`;
        },
      ),
    );
  }
  return { text: `${kept.join('\n')}\n`, withheld };
}

/** What stands in place of a comment: the word that shows which known program made the rule, else `withheld`. */
function allowComment(value: string): string {
  const mark = markIn(value);
  if (mark === undefined) return 'withheld';
  return /^[A-Za-z0-9:_-]+$/.test(mark) ? mark : `"${mark}"`;
}
