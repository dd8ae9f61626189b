// Values as people read them.

import { h } from "./dom.js";

const CPC = 10n ** 18n;

export function cpc(units) {
  const [whole, rest] = [BigInt(units) / CPC, BigInt(units) % CPC];
  const decimals = rest === 0n ? "" : `.${rest.toString().padStart(18, "0").replace(/0+$/, "")}`;
  return `${whole.toLocaleString("en")}${decimals} CPC`;
}

/** What a person typed, in units. */
export function units(text) {
  const match = /^(\d+)(?:\.(\d{1,18}))?$/.exec(text.trim());
  if (!match) throw new Error("an amount is a number with up to 18 decimal places");
  return BigInt(match[1]) * CPC + BigInt((match[2] ?? "").padEnd(18, "0") || "0");
}

export function day(ms) {
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString().slice(0, 10);
}

export function span(from, to) {
  if (BigInt(from) === 0n && BigInt(to) === 0n) return "no dates given";
  return BigInt(to) === 0n ? `from ${day(from)} on` : `${day(from)} to ${day(BigInt(to) - 1n)}`;
}

export function period(ms) {
  const of = [[86_400_000, "a day"], [3_600_000, "an hour"], [60_000, "a minute"], [1000, "a second"]];
  const exact = of.find(([length]) => Number(ms) === length);
  if (Number(ms) === 0) return "no time series";
  return exact ? `blocks of ${exact[1]}` : `blocks of ${Number(ms) / 1000} s`;
}

export function size(bytes) {
  const step = bytes < 10_000 ? [1, "B"] : bytes < 10_000_000 ? [1000, "kB"] : [1_000_000, "MB"];
  return `${Math.round(bytes / step[0]).toLocaleString("en")} ${step[1]}`;
}

/** The beginning and the end of a hash; all of it for those who point at it. */
export function short(id) {
  return h("code", { title: id }, id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);
}

export function account(key) {
  return h("a", { href: `#/account/${key}` }, short(key));
}

export function block(height) {
  return h("a", { href: `#/block/${height}` }, String(height));
}

export const STATES = {
  offered: "offered", accepted: "accepted", granted: "granted", delivered: "delivered", cancelled: "cancelled",
  refunded: "refunded", settled: "settled", seller_fault: "seller at fault",
};

export function state(name) {
  return h("span", { class: `state ${name}` }, STATES[name] ?? name);
}
