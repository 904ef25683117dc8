/**
 * Signs that something has changed on the host: what each of them is about, and how those that wait for a
 * repair are merged, so that a repair is told what to read, and what waits stays small.
 */
import type { Family } from '../../core/address.js';
import type { Author } from '../host.js';
import { Authors } from './author.js';

/** Something has changed on the host, or may have. */
export type Sign =
  /** The daemon begins to watch: changes before that went unseen. */
  | { readonly kind: 'start' }
  /** Rules of these families changed; of none, if only tables changed that are not iptables' own. */
  | {
      readonly kind: 'rules';
      readonly families: readonly Family[];
      readonly author?: Author | undefined;
    }
  /** This link changed; without a name, any link may have. */
  | { readonly kind: 'link'; readonly name?: string | undefined }
  /** A route of ours was removed, or an interface changed that none of our networks has: routes may have gone with it. */
  | { readonly kind: 'routes' };

/** What a sign can be about. `firewalld`: firewalld has changed rules, its own or others. */
export type Subject = 'start' | 'rules' | 'firewalld' | 'links' | 'routes';

export function subjectsOf(sign: Sign): readonly Subject[] {
  if (sign.kind === 'start') return ['start'];
  if (sign.kind === 'link') return ['links', 'routes'];
  if (sign.kind === 'routes') return ['routes'];
  return [
    ...(sign.families.length > 0 ? (['rules'] as const) : []),
    ...(sign.author?.program === 'firewalld' ? (['firewalld'] as const) : []),
  ];
}

/** What a repair has to compare. */
export interface Signs {
  /** Families whose rules may have changed; those of the other one have not. */
  readonly families: ReadonlySet<Family>;
  /** Names of the links that may have changed; `any`: all of them may have. */
  readonly links: ReadonlySet<string> | 'any';
}

/** For a repair that no sign has caused. */
export const everything: Signs = { families: new Set([4, 6]), links: 'any' };

/** With more names than this, all links are compared: as long as repairs fail, links come and go. */
export const mostLinks = 10_000;

/** The signs that no repair has dealt with. Grows with links and programs, not with signs. */
export class CollectedSigns implements Signs {
  readonly authors = new Authors();
  readonly #families = new Set<Family>();
  #links: Set<string> | 'any' = new Set();

  get families(): ReadonlySet<Family> {
    return this.#families;
  }

  get links(): ReadonlySet<string> | 'any' {
    return this.#links;
  }

  add(sign: Sign): void {
    if (sign.kind === 'start') this.#merge(everything);
    else if (sign.kind === 'routes') return;
    else if (sign.kind === 'link') {
      this.#merge({ families: [], links: sign.name === undefined ? 'any' : [sign.name] });
    } else {
      this.#merge({ families: sign.families, links: [] });
      if (sign.author !== undefined) this.authors.add(sign.author);
    }
  }

  /** @param later signs that came after these */
  addAll(later: CollectedSigns): void {
    this.#merge(later);
    this.authors.addAll(later.authors);
  }

  #merge(more: { families: Iterable<Family>; links: Iterable<string> | 'any' }): void {
    for (const family of more.families) this.#families.add(family);
    if (this.#links === 'any') return;
    if (more.links === 'any') this.#links = 'any';
    else for (const link of more.links) this.#links.add(link);
    if (this.#links !== 'any' && this.#links.size > mostLinks) this.#links = 'any';
  }
}
