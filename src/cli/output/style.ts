/** Colour, where there is a terminal that takes it and nobody has asked for none. */
import type { Terminal } from '../terminal.js';
import { fit, styled, TerminalText } from './fit.js';

export type ColourChoice = 'auto' | 'always' | 'never';

type Format = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** Paints text, or leaves it as it is where there is no colour. */
export type Paint = (format: Format, text: string | TerminalText) => TerminalText;

/** `always` and `never` beat the environment, as with other programs. */
export function paintFor(terminal: Terminal, choice: ColourChoice): Paint {
  const coloured = hasColours(terminal, choice);
  return (format, text) => {
    const plain = text instanceof TerminalText ? text : fit(text);
    return coloured ? styled(format, plain) : plain;
  };
}

function hasColours({ environment, width }: Terminal, choice: ColourChoice): boolean {
  if (choice !== 'auto') return choice === 'always';
  const { NO_COLOR, FORCE_COLOR, TERM } = environment;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0';
  return width !== undefined && TERM !== 'dumb';
}
