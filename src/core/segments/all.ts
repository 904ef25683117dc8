/** Which kind of segment a network has. */
import type { NetworkSpec, SegmentKind } from '../network/network.js';
import { bridge } from './bridge.js';
import type { Segment } from './segment.js';
import { unmanaged } from './unmanaged.js';

const segments: Readonly<Record<SegmentKind, Segment>> = { bridge, unmanaged };

export function segmentOf({ segment }: NetworkSpec): Segment {
  return segments[segment];
}
