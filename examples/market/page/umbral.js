// A key for one order, of the re-encryption scheme Umbral over secp256k1: the proxies' fragments open for it alone.
//
// It is made here and nowhere else. The arithmetic does not hide its timing; the key is used once, on a machine that its owner sits at.

import { concat, utf8 } from "./bytes.js";

const P = 2n ** 256n - 2n ** 32n - 977n;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const G = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
];
const LABEL = "KEY_DERIVATION/cpchain/crypto/pre/umbral-key/v1";
const HEAD = Uint8Array.of(1, 1); // version, scheme

const mod = (value, by = P) => ((value % by) + by) % by;

function inverse(value) {
  let [a, b, x, y] = [mod(value), P, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return mod(x);
}

function add(a, b) {
  if (!a || !b) return a ?? b;
  if (a[0] === b[0] && mod(a[1] + b[1]) === 0n) return null;
  const slope = a[0] === b[0] ? 3n * a[0] * a[0] * inverse(2n * a[1]) : (b[1] - a[1]) * inverse(b[0] - a[0]);
  const x = mod(slope * slope - a[0] - b[0]);
  return [x, mod(slope * (a[0] - x) - a[1])];
}

function times(scalar) {
  let [sum, power] = [null, G];
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = add(sum, power);
    power = add(power, power);
  }
  return sum;
}

const number = (bytes) => bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);

function fixed(value) {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * (31 - i))) & 255n));
}

/** The public key of a secret of 34 bytes: version, scheme, seed. */
export async function publicKey(secret) {
  const label = utf8(LABEL);
  const seed = await crypto.subtle.importKey("raw", secret.slice(HEAD.length), "HKDF", false, ["deriveBits"]);
  const derive = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: label };
  const key = new Uint8Array(await crypto.subtle.deriveBits(derive, seed, 512));
  const length = Uint8Array.of(0, 0, 0, label.length);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", concat(length, label, key)));
  const hashed = number(hash);
  const scalar = (hashed >= N - 1n ? hashed - (N - 1n) : hashed) + 1n;
  const [x, y] = times(scalar);
  return concat(HEAD, Uint8Array.of(y & 1n ? 3 : 2), fixed(x));
}

/** A fresh secret and its public key. */
export async function orderKey() {
  const secret = concat(HEAD, crypto.getRandomValues(new Uint8Array(32)));
  return { secret, public: await publicKey(secret) };
}
