/**
 * Reads the files of a bundle as values. Each file is checked against the allow-list by which `tsbridge diags` wrote
 * it.
 */
import { allow } from '../../../operator/diags/allowed.js';
import { allowNative } from '../../../operator/diags/native-rules.js';
import { allowRules } from '../../../operator/diags/rules-text.js';
import { type Archive, BadBundle, parse } from './archive.js';
import { type ExplainedFile, explainedFiles } from './files.js';

/** What is unknown if a file is missing: how the warning about it begins. */
const contents: Readonly<Partial<Record<ExplainedFile, string>>> = {
  'rules-ipv4.txt': 'rules of iptables are not known',
  'rules-ipv6.txt': 'rules of ip6tables are not known',
  'rules-ipv4-legacy.txt': 'rules of iptables-legacy are not known',
  'rules-ipv6-legacy.txt': 'rules of ip6tables-legacy are not known',
  'rules-native.json': 'tables that nft itself made are not known',
  'ip-sets.json': 'ipsets are not known',
  'names.json': 'names of containers are not known',
  'inventory.json': 'networks and containers of tsbridge are not known',
};

/** Reads files of one bundle. */
export class BundleFiles {
  readonly #missing = new Set<string>();

  constructor(
    private readonly path: string,
    private readonly archive: Archive,
  ) {}

  /** One sentence for each file that {@link optional} was asked for and the bundle does not have. */
  get missing(): string[] {
    return [...this.#missing];
  }

  /**
   * The value of a file. @throws {BadBundle} if the bundle does not have the file, or it has what diags does not write
   */
  required(name: ExplainedFile): unknown {
    const text = this.archive.files.get(name);
    if (text !== undefined) return this.#read(name, text);
    const why = this.archive.failed.get(name) ?? 'an earlier version of tsbridge wrote it';
    throw new BadBundle(`${this.path} has no ${name} (${why}): nothing can be explained from it`);
  }

  /**
   * As {@link required}, but answers with `nothing` if `tsbridge diags` could not read this on the host. In that case
   * {@link missing} tells it.
   *
   * @throws {BadBundle} if the bundle names no reason: an earlier version of tsbridge wrote it, without this file
   */
  optional(name: ExplainedFile, nothing: unknown): unknown {
    const why = this.archive.failed.get(name);
    if (why === undefined || this.archive.files.has(name)) return this.required(name);
    this.#missing.add(`${contents[name]}: ${name} is not in the bundle (${why})`);
    return nothing;
  }

  /**
   * Refuses an anonymised bundle whose rules have a range of addresses or a short prefix. The addresses that stand in
   * place of the host's keep their common prefixes from 8 bits (IPv6: 32 bits) on, and not their order: such a range or
   * prefix would cover other addresses than it did on the host.
   *
   * @throws {BadBundle}
   */
  refuseRanges(): void {
    if (!this.archive.anonymised) return;
    for (const [name, text] of this.archive.files) {
      if (!name.startsWith('rules-')) continue;
      if (!ranges.some((range) => range.test(text))) continue;
      const words = `${this.path} is anonymised, and ${name} has ranges of addresses or prefixes below 8 bits (IPv6: 32)`;
      throw new BadBundle(`${words}: they mean others now; make a bundle without --anonymise`);
    }
  }

  #read(name: ExplainedFile, text: string): unknown {
    const allowList = explainedFiles[name];
    const refuse = (why: string) =>
      new BadBundle(`${this.path} is no bundle of tsbridge diags: ${why}`);
    const strange = refuse(`${name} has what tsbridge diags does not write`);
    if (allowList === 'rules') {
      if (/[^\P{Cc}\n]/u.test(text) || allowRules(text)?.withheld !== 0) throw strange;
      return text;
    }
    const value = parse(text, name, refuse);
    const allowed = allowList === 'native' ? allowNative(value) : allow(value, allowList);
    const isWhole = allowed?.value !== undefined && allowed.withheld.size === 0;
    if (
      !isWhole ||
      Array.isArray(value) !== Array.isArray(allowList === 'native' ? [] : allowList)
    ) {
      throw strange;
    }
    return allowed.value;
  }
}

/**
 * Ranges of addresses and short prefixes, as iptables-save and the JSON of nft print them. No address has more than 39
 * characters; without this bound, the search of one line with a megabyte of digits and colons would take hours.
 */
const ranges = [
  /(?:\d{1,3}\.){3}\d{1,3}-(?:\d{1,3}\.){3}\d{1,3}/,
  /[0-9a-f]:[0-9a-f:]{0,39}-[0-9a-f]{1,4}:/i,
  /(?:\d{1,3}\.){3}\d{1,3}\/[1-7]\b/,
  /"range": ?\[\s*"/,
  /"len": ?[1-7]\b/,
  // What stands in place of the host's IPv6 addresses begins with these 32 bits.
  /\b2001:db8:[0-9a-f:]{0,39}\/(?:[1-9]|[12]\d|3[01])\b/,
  /"2001:db8:[0-9a-f:]{0,39}", ?"len": ?(?:[1-9]|[12]\d|3[01])\b/,
];
