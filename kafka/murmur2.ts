const seed = 0x9747b28c;
const factor = 0x5bd1e995;

/** 32 bits of hash over `bytes` from one index to another, as a signed number. kafkajs computes it with big integers, which takes many times as long. */
export function murmur2(bytes: Uint8Array, from = 0, to = bytes.length): number {
  const length = to - from;
  const whole = from + (length & ~3);
  let hash = seed ^ length;
  for (let at = from; at < whole; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, factor);
    word ^= word >>> 24;
    hash = Math.imul(hash, factor) ^ Math.imul(word, factor);
  }
  if (to > whole) {
    for (let at = to - 1; at >= whole; at--) hash ^= bytes[at]! << ((at - whole) * 8);
    hash = Math.imul(hash, factor);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, factor);
  return hash ^ (hash >>> 15);
}
