// The messages that are signed here, byte for byte as the Rust crates write them (listing.proto, escrow.proto, ledger.proto).

import { digest } from "./blake3.js";
import { concat, same, unhex, utf8 } from "./bytes.js";

const AMOUNT = { high: [1, "u64"], low: [2, "u64"] };
const LISTING = {
  title: [1, "string"], description: [2, "string"], tags: [3, ["string"]], category: [4, "string"], price: [5, AMOUNT],
  unit: [6, "u64"], period_ms: [7, "u64"], from_ms: [8, "u64"], to_ms: [9, "u64"], samples: [10, ["bytes"]],
  uri: [11, "string"], proxies: [12, ["bytes"]], stream: [13, "bytes"], manifest: [14, "bytes"], created_ms: [15, "u64"],
};
const UPDATE = { listing: [1, "bytes"], content: [2, LISTING] };
const WITHDRAW = { listing: [1, "bytes"] };
const OPERATION = {
  seller: [1, "bytes"], sequence: [2, "u64"], publish: [3, LISTING], update: [4, UPDATE], withdraw: [5, WITHDRAW],
};
const TERMS = {
  listing: [1, "bytes"], revision: [2, "bytes"], first_interval: [3, "u64"], end_interval: [4, "u64"],
  manifest: [5, "bytes"], leaf_root: [6, "bytes"], leaf_count: [7, "u64"], price: [8, AMOUNT], fee: [9, AMOUNT],
  bond: [10, AMOUNT], buyer_key: [11, "bytes"], threshold: [12, "u64"], proxies: [13, "u64"], nonce: [14, "u64"],
};
const COMMAND = { order: [1, "bytes"], offer: [2, TERMS], cancel: [3, {}], confirm: [8, {}] };
const BODY = {
  version: [1, "u64"], chain_id: [2, "bytes"], sender: [3, "bytes"], nonce: [4, "u64"], expires: [5, "u64"],
  kind: [6, "string"], payload: [7, "bytes"],
};
const SIGNED = { body: [1, "bytes"], signature: [2, "bytes"] };
const TRANSFER = { to: [1, "bytes"], amount: [2, "bytes"] };

export const OPERATION_DOMAIN = "cpchain/market/operation/v1";
const OPERATION_ID = "cpchain/market/operation-id/v1";
export const TRANSACTION_DOMAIN = "cpchain/consensus/transaction/v1";
const TRANSACTION_ID = "cpchain/consensus/transaction-id/v1";
const UNITS = ["", "file", "interval", "stream"];

function varint(value) {
  const out = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Uint8Array.from([...out, Number(rest)]);
    out.push(Number(rest & 127n) | 128);
  }
}

const prefixed = (tag, bytes) => concat(varint(BigInt(tag) << 3n | 2n), varint(bytes.length), bytes);

function field(tag, type, value) {
  if (value === undefined) return new Uint8Array();
  if (Array.isArray(type)) return concat(...value.map((item) => prefixed(tag, type[0] === "string" ? utf8(item) : item)));
  if (typeof type === "object") return prefixed(tag, encode(type, value));
  if (type === "u64") return BigInt(value) === 0n ? new Uint8Array() : concat(varint(BigInt(tag) << 3n), varint(value));
  const bytes = type === "string" ? utf8(value) : value;
  return bytes.length === 0 ? bytes : prefixed(tag, bytes);
}

function encode(schema, message) {
  return concat(...Object.entries(schema).map(([name, [tag, type]]) => field(tag, type, message[name])));
}

function decode(schema, bytes) {
  let at = 0;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= bytes.length) break;
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new Error("the message is cut");
  };
  const out = {};
  for (const [name, [, type]] of Object.entries(schema)) {
    if (Array.isArray(type)) out[name] = [];
    else if (typeof type !== "object") out[name] = type === "u64" ? 0n : type === "string" ? "" : new Uint8Array();
  }
  while (at < bytes.length) {
    const key = number();
    const known = Object.entries(schema).find(([, [tag]]) => BigInt(tag) === key >> 3n);
    if (!known) throw new Error("the message has a field that is not known here");
    const [name, [, type]] = known;
    if (type === "u64") {
      out[name] = number();
      continue;
    }
    const length = Number(number());
    if (at + length > bytes.length) throw new Error("the message is cut");
    const part = bytes.slice(at, at + length);
    at += length;
    const text = (type) => (type === "string" ? new TextDecoder("utf-8", { fatal: true }).decode(part) : part);
    if (Array.isArray(type)) out[name].push(text(type[0]));
    else out[name] = typeof type === "object" ? decode(type, part) : text(type);
  }
  if (!same(encode(schema, out), bytes)) throw new Error("the message is not in its one encoding");
  return out;
}

const split = (amount) => ({ high: BigInt(amount) >> 64n, low: BigInt.asUintN(64, BigInt(amount)) });
const joined = ({ high, low }) => (high << 64n) | low;

/** The content of a listing as its message. */
function listing(content) {
  return { ...content, price: split(content.price), unit: BigInt(UNITS.indexOf(content.unit)) };
}

function content(message) {
  if (!message.price) throw new Error("the listing has no price");
  return { ...message, price: joined(message.price), unit: UNITS[Number(message.unit)] };
}

/** Body of an operation; `action` is { publish }, { update: { listing, content } } or { withdraw: { listing } }. */
export function operationBody(seller, sequence, action) {
  const message = { seller, sequence, ...action };
  if (action.publish) message.publish = listing(action.publish);
  if (action.update) message.update = { listing: action.update.listing, content: listing(action.update.content) };
  return encode(OPERATION, message);
}

/** A signed operation: version, signature, body. */
export function signedOperation(body, signature) {
  return concat(Uint8Array.of(1), signature, body);
}

/** Reads a signed operation; whether the signature holds is for `keys.js` to say. */
export function readOperation(bytes) {
  if (bytes[0] !== 1 || bytes.length < 65) throw new Error("not an operation of this version");
  const [signature, body] = [bytes.slice(1, 65), bytes.slice(65)];
  const message = decode(OPERATION, body);
  const id = digest(OPERATION_ID, body);
  const of = message.update ?? message.withdraw;
  const listed = message.publish ?? message.update?.content;
  return {
    signature, body, id, seller: message.seller, sequence: message.sequence,
    listing: of ? of.listing : id, content: listed ? content(listed) : null,
  };
}

/** The body of a transaction. */
export function transactionBody({ chain, sender, nonce, expires, kind, payload }) {
  return encode(BODY, { version: 1n, chain_id: chain, sender, nonce, expires, kind, payload });
}

export function signedTransaction(body, signature) {
  return encode(SIGNED, { body, signature });
}

export function transactionId(body) {
  return digest(TRANSACTION_ID, body);
}

/** Payload of the kind `transfer`. */
export function transfer(to, amount) {
  const bytes = unhex(BigInt(amount).toString(16).padStart(32, "0"));
  return encode(TRANSFER, { to, amount: bytes });
}

/** Payloads of the kind `escrow`: a byte for the action, one for the version, and the command. */
const command = (message) => concat(Uint8Array.of(1, 1), encode(COMMAND, message));

export function offer(terms) {
  const amounts = { price: split(terms.price), fee: split(terms.fee), bond: split(terms.bond) };
  return command({ offer: { ...terms, ...amounts } });
}

export const cancel = (order) => command({ order, cancel: {} });
export const confirm = (order) => command({ order, confirm: {} });
