/** Milliseconds since 1970 of a protobuf timestamp, whose numbers may be `Long`. */
export function timeMs(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number {
  return Number(time?.seconds ?? 0) * 1_000 + (time?.nanos ?? 0) / 1e6;
}

/** How long something took, in milliseconds to one tenth. Clocks of two machines may disagree; nothing takes less than no time. */
export function durationOf(fromMs: number, toMs: number): number {
  return Math.max(0, Math.round((toMs - fromMs) * 10) / 10);
}
