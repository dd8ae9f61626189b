// Buying: the offer is made and signed here; then the chain, the seller and the proxies move the order.

import { blocks, get } from "./api.js";
import { hex, unhex } from "./bytes.js";
import { action, facts, failure, h, put, table } from "./dom.js";
import { account, block, cpc, short, state, units } from "./format.js";
import * as keys from "./keys.js";
import { cancel, confirm, offer } from "./messages.js";
import { orderKey } from "./umbral.js";
import { execute } from "./wallet.js";

/** A quote that asks more than this for each proxy is not signed. */
const MOST_FEE = units("10");

const WORDS = {
  offer: "The buyer offers; price, fees and bond are locked", accept: "The seller accepts; the chain draws the proxies",
  grant: "The seller grants: capsules, and key fragments sealed to the proxies", fragments: "A proxy posts its capsule fragments; the chain verified each",
  bad_grant: "A proxy proves that the grant is bad", confirm: "The buyer confirms", cancel: "The buyer takes the offer back",
  complain_leaf: "The buyer complains about a leaf", complain_key: "The buyer complains about a key", deadline: "A deadline passed",
};
const NEXT = {
  offered: "Waiting for the seller to accept", accepted: "Waiting for the seller to grant", granted: "Waiting for the proxies' fragments",
  delivered: "Waiting for the buyer: confirm or complain; without either, the seller is paid",
};

/** What the market quotes, held against what the seller signed. */
function check(quote, shown, content, first, end) {
  const count = content.unit === "file" ? 1n : BigInt(end - first);
  const wrong = (what) => { throw new Error(`The market quotes ${what} than the seller signed. Do not buy here.`); };
  if (quote.listing !== shown.id || quote.revision !== shown.revision) wrong("another listing");
  if (quote.first_interval !== first || quote.end_interval !== end) wrong("other intervals");
  if (BigInt(quote.price) !== content.price * count) wrong("another price");
  if (BigInt(quote.bond) !== BigInt(quote.price)) wrong("another bond");
  if (BigInt(quote.fee) > MOST_FEE) throw new Error("The market quotes a fee of more than 10 CPC a proxy. Do not buy here.");
  if (quote.threshold < 1 || quote.threshold > quote.proxies || quote.proxies > content.proxies.length) wrong("other proxies");
}

/** The form of a listing's buyer. */
export function buy(shown, operation) {
  const content = operation.content;
  const section = h("section", { id: "buy" }, h("h2", {}, "Buy"));
  if (!content.proxies.length) {
    section.append(h("p", { class: "soft" }, "This listing names no proxies: it cannot be ordered yet."));
    return section;
  }
  const first = h("input", { id: "first", type: "number", min: 0, value: 0 });
  const last = h("input", { id: "last", type: "number", min: 0, value: 0 });
  const shownQuote = h("div", { "aria-live": "polite" });
  section.append(
    h("p", {}, "The data is sealed in intervals, each with a key of its own. See below which interval holds which days."),
    h("div", { class: "fields" }, h("div", {}, h("label", { for: "first" }, "First interval"), first), h("div", {}, h("label", { for: "last" }, "Last interval"), last)),
    action("Ask for a quote", async (say) => {
      shownQuote.replaceChildren();
      const [from, end] = [Number(first.value), Number(last.value) + 1];
      if (!(end > from)) throw new Error("the last interval is not before the first");
      say("the market fetches and verifies the sealed data");
      const quote = await get(`/listings/${shown.id}/quote`, { first: from, end });
      check(quote, shown, content, from, end);
      shownQuote.append(...quoted(quote));
      return "";
    }, { id: "quote" }), shownQuote);
  return section;
}

function quoted(quote) {
  return [
    facts(["Price", cpc(quote.price)], ["Fees", `${cpc(quote.fee)} to each of up to ${quote.proxies} proxies`],
      ["Your bond", `${cpc(quote.bond)}, back unless you complain falsely`], ["Locked at once", h("strong", {}, cpc(quote.locked))],
      ["Proxies", `${quote.threshold} of ${quote.proxies} are enough`], ["Leaf root", h("code", {}, quote.leaf_root)]),
    h("p", { class: "note small" }, "The leaf root stands for the sealed data that you may complain about. This market computed it from what it fetched; the seller accepts only if it comes to the same. To be sure of it without this market, run your own."),
    action("Sign the offer", async (say) => {
      const key = await keys.current();
      if (!key) throw new Error("make or take a key first, under Keys");
      const own = await orderKey();
      // Before the offer: a key that was lost would be paid for.
      await keys.keepOrderKey(hex(own.public), hex(own.secret));
      const payload = offer({
        listing: unhex(quote.listing), revision: unhex(quote.revision), first_interval: BigInt(quote.first_interval),
        end_interval: BigInt(quote.end_interval), manifest: unhex(quote.manifest), leaf_root: unhex(quote.leaf_root),
        leaf_count: BigInt(quote.leaf_count), price: quote.price, fee: quote.fee, bond: quote.bond, buyer_key: own.public,
        threshold: BigInt(quote.threshold), proxies: BigInt(quote.proxies), nonce: BigInt(Date.now()),
      });
      await execute(key, "escrow", payload, say);
      const { orders } = await get("/orders", { account: key.account, limit: 20 });
      for (const order of orders) {
        const full = await get(`/orders/${order.id}`);
        if (full.buyer_key === hex(own.public)) location.hash = `#/order/${order.id}`;
      }
      return "offered";
    }, { id: "offer" }),
  ];
}

export async function list(main, of) {
  const active = of ? { account: of } : null;
  const { orders } = await get("/orders", { account: active?.account, limit: 50 });
  const mine = new Set((await keys.all().catch(() => [])).map((key) => key.account));
  put(main, h("h1", {}, of ? "Orders of an account" : "Orders"), of ? h("p", {}, account(of)) : null,
    orders.length ? h("ol", { class: "cards" }, orders.map((order) => h("li", { class: "card" },
      h("h2", {}, h("a", { href: `#/order/${order.id}` }, order.title ?? order.id)),
      h("p", { class: "row" }, state(order.state), h("span", { class: "price" }, cpc(order.price)),
        h("span", {}, `intervals ${order.first_interval} to ${order.end_interval - 1}`), h("span", {}, "offered in block ", block(order.offered)),
        mine.has(order.buyer) ? h("strong", {}, "you buy") : mine.has(order.seller) ? h("strong", {}, "you sell") : null))))
      : h("p", { class: "soft" }, "There are none."));
}

export async function view(main, id) {
  const box = h("div", {});
  put(main, h("h1", {}, "Order"), box);
  let seen = "";
  const draw = async () => {
    const order = await get(`/orders/${id}`);
    const now = JSON.stringify([order.state, order.timeline.length]);
    if (now === seen) return;
    seen = now;
    box.replaceChildren(...await shown(order));
  };
  await draw();
  return blocks(() => draw().catch((error) => box.append(failure(error))));
}

async function shown(order) {
  const own = (await keys.all().catch(() => [])).find((key) => key.account === order.buyer);
  const secret = own ? await keys.orderSecret(order.buyer_key) : null;
  const steps = order.timeline.map((step) => h("li", {}, h("div", {}, WORDS[step.event] ?? step.event),
    h("div", { class: "soft small" }, "block ", block(step.height), step.sender ? [", by ", account(step.sender)] : "")));
  if (NEXT[order.state]) steps.push(h("li", { class: "next soft" }, `${NEXT[order.state]}, until block ${order.deadline}`));
  const parts = [
    h("p", {}, h("span", { id: "order-state" }, state(order.state)), " ", h("a", { href: `#/listing/${order.listing}` }, order.title ?? "the listing")),
    h("ol", { class: "timeline", id: "timeline" }, steps),
    facts(["Buyer", account(order.buyer)], ["Seller", account(order.seller)], ["Intervals", `${order.first_interval} to ${order.end_interval - 1}`],
      ["Price", cpc(order.price)], ["Locked by the buyer now", cpc(order.locked)], ["Proxies", `${order.threshold} of ${order.proxies} are enough`],
      ["Leaves", [`${order.leaf_count} under `, short(order.leaf_root)]], ["Order", h("code", { id: "order-id" }, order.id)]),
  ];
  if (order.drawn.length) {
    parts.push(table(["Drawn proxy", "Posted"], order.drawn.map((one) => [account(one.proxy), one.posted ? "yes" : "not yet"]), "Drawn proxies"));
  }
  if (own) parts.push(...acts(order, own, secret));
  return parts;
}

function acts(order, key, secret) {
  const id = unhex(order.id);
  const out = [h("h2", {}, "Your order")];
  if (order.state === "offered") {
    out.push(action("Take the offer back", async (say) => { await execute(key, "escrow", cancel(id), say); return "taken back"; }, { id: "cancel", class: "plain" }));
  }
  if (order.state === "delivered") {
    out.push(h("p", {}, "Open the data before you confirm: afterwards there is nothing to complain about."),
      action("Confirm: the seller is paid", async (say) => { await execute(key, "escrow", confirm(id), say); return "confirmed"; }, { id: "confirm" }));
  }
  out.push(h("div", { class: "note" },
    h("p", {}, "Fetching, opening and decrypting are done by a program on your machine, not by this page: it would have to hold the data and the keys. The order's own key was made in this browser."),
    secret ? h("p", {}, save(order, secret)) : h("p", {}, "The order's key is not in this browser."),
    h("p", { class: "small" }, "Nor does this page complain for you: the proof is made from the opened data, with the library's escrow.")));
  return out;
}

/** The order's key as a file, made here. */
function save(order, secret) {
  return action("Save the order's key", async () => {
    const url = URL.createObjectURL(new Blob([secret], { type: "text/plain" }));
    const link = h("a", { href: url, download: "order.key" });
    document.body.append(link);
    link.click();
    link.remove();
    URL.revokeObjectURL(url);
    return "saved as order.key: nobody else may read it";
  }, { id: "save-key", class: "plain" });
}
