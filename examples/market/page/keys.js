// Keys of the person at this browser. Signing keys are kept by the browser in a form that no script can read; nothing here sends a key anywhere.

import { digest } from "./blake3.js";
import { concat, hex, unhex } from "./bytes.js";

const PKCS8 = unhex("302e020100300506032b657004220420");

function database() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("cpchain-market", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("keys", { keyPath: "account" });
      request.result.createObjectStore("orders", { keyPath: "key" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(store, mode, act) {
  const db = await database();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = db.transaction(store, mode);
      const request = act(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    db.close();
  }
}

/** Can this browser sign and verify as the chain does? */
export async function supported() {
  try {
    await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}

/** Makes a key and keeps it. */
export async function create() {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const account = hex(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  return keep(account, pair.privateKey, "made here");
}

/** Takes the text of a key file as `node keys` writes it: 64 hexadecimal digits. */
export async function take(text) {
  const seed = unhex(text.trim());
  if (seed.length !== 32) throw new Error("a key file holds 64 hexadecimal digits");
  const encoded = concat(PKCS8, seed);
  const readable = await crypto.subtle.importKey("pkcs8", encoded, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", readable);
  const account = hex(Uint8Array.from(atob(x.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)));
  const closed = await crypto.subtle.importKey("pkcs8", encoded, "Ed25519", false, ["sign"]);
  seed.fill(0);
  encoded.fill(0);
  return keep(account, closed, "from a file");
}

async function keep(account, key, origin) {
  await inStore("keys", "readwrite", (store) => store.put({ account, key, origin }));
  use(account);
  return account;
}

export async function forget(account) {
  await inStore("keys", "readwrite", (store) => store.delete(account));
  if (localStorage.getItem("account") === account) localStorage.removeItem("account");
}

/** All keys: { account, key, origin }. */
export function all() {
  return inStore("keys", "readonly", (store) => store.getAll());
}

export function use(account) {
  localStorage.setItem("account", account);
}

/** The key that signs now, or null. */
export async function current() {
  const keys = await all();
  return keys.find((key) => key.account === localStorage.getItem("account")) ?? keys[0] ?? null;
}

/** Signs a message under the name of a domain. */
export async function sign(key, domain, message) {
  return new Uint8Array(await crypto.subtle.sign("Ed25519", key.key, digest(domain, message)));
}

/** Did this account sign the message? */
export async function verify(account, domain, message, signature) {
  const key = await crypto.subtle.importKey("raw", account, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, signature, digest(domain, message));
}

/** The secret of an order's key, by its public key. It can be read, for it must go to the program that decrypts. */
export function keepOrderKey(key, secret) {
  return inStore("orders", "readwrite", (store) => store.put({ key, secret }));
}

export async function orderSecret(key) {
  return (await inStore("orders", "readonly", (store) => store.get(key)))?.secret ?? null;
}
