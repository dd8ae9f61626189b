// BLAKE3 in its mode that derives keys: all hashes of the chain begin with the name of what is hashed.

import { concat, utf8 } from "./bytes.js";

const IV = Uint32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
);
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const CHUNK = 1024;
const BLOCK = 64;
const [CHUNK_START, CHUNK_END, PARENT, ROOT, CONTEXT, MATERIAL] = [1, 2, 4, 8, 32, 64];

const turn = (word, by) => (word >>> by) | (word << (32 - by));

function mix(s, a, b, c, d, x, y) {
  s[a] = s[a] + s[b] + x;
  s[d] = turn(s[d] ^ s[a], 16);
  s[c] = s[c] + s[d];
  s[b] = turn(s[b] ^ s[c], 12);
  s[a] = s[a] + s[b] + y;
  s[d] = turn(s[d] ^ s[a], 8);
  s[c] = s[c] + s[d];
  s[b] = turn(s[b] ^ s[c], 7);
}

function compress(key, block, counter, length, flags) {
  const s = new Uint32Array(16);
  s.set(key);
  s.set(IV.subarray(0, 4), 8);
  s.set([counter >>> 0, Math.floor(counter / 2 ** 32), length, flags], 12);
  let m = block;
  for (let round = 0; ; round++) {
    mix(s, 0, 4, 8, 12, m[0], m[1]);
    mix(s, 1, 5, 9, 13, m[2], m[3]);
    mix(s, 2, 6, 10, 14, m[4], m[5]);
    mix(s, 3, 7, 11, 15, m[6], m[7]);
    mix(s, 0, 5, 10, 15, m[8], m[9]);
    mix(s, 1, 6, 11, 12, m[10], m[11]);
    mix(s, 2, 7, 8, 13, m[12], m[13]);
    mix(s, 3, 4, 9, 14, m[14], m[15]);
    if (round === 6) break;
    m = PERMUTATION.map((from) => m[from]);
  }
  return Uint32Array.from({ length: 8 }, (_, i) => s[i] ^ s[i + 8]);
}

function words(bytes) {
  const padded = new Uint8Array(BLOCK);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  return Array.from({ length: 16 }, (_, i) => view.getUint32(4 * i, true));
}

function chunk(bytes, key, counter, flags, root) {
  let value = key;
  const blocks = Math.max(1, Math.ceil(bytes.length / BLOCK));
  for (let i = 0; i < blocks; i++) {
    const part = bytes.subarray(i * BLOCK, (i + 1) * BLOCK);
    const last = i === blocks - 1;
    const marks = (i === 0 ? CHUNK_START : 0) | (last ? CHUNK_END | root : 0);
    value = compress(value, words(part), counter, part.length, flags | marks);
  }
  return value;
}

function tree(bytes, key, counter, flags, root) {
  const chunks = Math.max(1, Math.ceil(bytes.length / CHUNK));
  if (chunks === 1) return chunk(bytes, key, counter, flags, root);
  const left = 2 ** Math.floor(Math.log2(chunks - 1));
  const a = tree(bytes.subarray(0, left * CHUNK), key, counter, flags, 0);
  const b = tree(bytes.subarray(left * CHUNK), key, counter + left, flags, 0);
  return compress(key, [...a, ...b], 0, BLOCK, flags | PARENT | root);
}

function bytesOf(value) {
  const out = new DataView(new ArrayBuffer(32));
  value.forEach((word, i) => out.setUint32(4 * i, word, true));
  return new Uint8Array(out.buffer);
}

function framed(parts) {
  const lengths = parts.map((part) => {
    const length = new DataView(new ArrayBuffer(8));
    length.setBigUint64(0, BigInt(part.length), true);
    return new Uint8Array(length.buffer);
  });
  return concat(...parts.flatMap((part, i) => [lengths[i], part]));
}

/** The digest of some parts under the name of a domain, as `Digest::of` of cpchain-crypto. */
export function digest(domain, ...parts) {
  const key = tree(utf8(domain), IV, 0, CONTEXT, ROOT);
  return bytesOf(tree(framed(parts), key, 0, MATERIAL, ROOT));
}
