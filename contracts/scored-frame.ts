import { decodeFrame, decodeFrameHeader, encodeFrame } from './frame.ts';

/** What `score` recorded: a features frame, and a decisions frame when the model answered in time. */
export interface Scored {
  features: Uint8Array;
  decisions?: Uint8Array;
}

/** Both in one frame of kind `scored`; features alone stay what they are. */
export function encodeScored({ features, decisions }: Scored): Uint8Array {
  return decisions ? encodeFrame({ header: { kind: 'scored' }, columns: { features, decisions } }) : features;
}

/** Reads what `encodeScored` gave; the frames are views on its buffer. */
export function decodeScored(bytes: Uint8Array): Scored {
  if (decodeFrameHeader(bytes).kind !== 'scored') return { features: bytes };
  const { columns } = decodeFrame(bytes);
  return { features: columns['features'] as Uint8Array, decisions: columns['decisions'] as Uint8Array };
}
