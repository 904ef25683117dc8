/**
 * SVG as a tree, written as text in one place. A string in the tree is always text for people and
 * is escaped; markup can only be an {@link SvgElement}. So a name that another person has chosen
 * (of a network, a container) never becomes markup, whatever is in it.
 */

/** The elements that pictures are made of; none of them loads or runs anything. */
type ElementName = 'svg' | 'title' | 'style' | 'g' | 'a' | 'rect' | 'path' | 'text';

/** No event handlers, and no references but {@link Fragment}s. */
type AttributeName =
  | 'aria-label'
  | 'class'
  | 'd'
  | 'height'
  | 'id'
  | 'role'
  | 'rx'
  | 'viewBox'
  | 'width'
  | 'x'
  | 'xmlns'
  | 'y';

declare const isFragment: unique symbol;
/** `#port-3`: a place in the document itself, which is all that a link of a picture leads to. */
export type Fragment = string & { readonly [isFragment]: true };

/** @param index tells places of a kind apart */
export function fragment(
  kind: 'port' | 'container' | 'network' | 'group',
  index: number,
): Fragment {
  return `#${kind}-${Math.trunc(index)}` as Fragment;
}

export interface SvgElement {
  readonly name: ElementName;
  readonly attributes: Readonly<
    Partial<Record<AttributeName, string | number>> & { readonly href?: Fragment }
  >;
  readonly children: readonly SvgNode[];
}

export type SvgNode = SvgElement | string;

export function element(
  name: ElementName,
  attributes: SvgElement['attributes'] = {},
  children: readonly SvgNode[] = [],
): SvgElement {
  return { name, attributes, children };
}

/** The tree as a file, an element a line. */
export function svgText(root: SvgElement): string {
  return `${lines(root, '').join('\n')}\n`;
}

function lines(node: SvgElement, indent: string): string[] {
  const attributes = Object.entries(node.attributes)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
  const open = `${indent}<${node.name}${attributes}`;
  if (node.children.length === 0) return [`${open}/>`];
  const [first] = node.children;
  if (node.children.length === 1 && typeof first === 'string') {
    return [`${open}>${escaped(first)}</${node.name}>`];
  }
  const inner = node.children.flatMap((child) =>
    typeof child === 'string' ? [`${indent} ${escaped(child)}`] : lines(child, `${indent} `),
  );
  return [`${open}>`, ...inner, `${indent}</${node.name}>`];
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * As it may stand in XML. What XML does not allow (most control characters, halves of surrogate
 * pairs) and what turns the direction of writing around is shown as U+FFFD.
 */
export function escaped(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}\uFFFE\uFFFF]/gu, '\uFFFD')
    .replace(/[&<>"']/g, (sign) => entities[sign] ?? '');
}
