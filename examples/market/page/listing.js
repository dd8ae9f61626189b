// One listing: what its seller signed, checked here, and where its data comes from.

import { get } from "./api.js";
import { same, unhex, hex } from "./bytes.js";
import { facts, failure, h, put, table } from "./dom.js";
import { account, block, cpc, day, period, short, size, span, state } from "./format.js";
import * as keys from "./keys.js";
import { OPERATION_DOMAIN, readOperation } from "./messages.js";
import { buy } from "./order.js";
import { steps } from "./plot.js";
import { change } from "./publish.js";

/** The listing as its seller signed it; throws if the market shows something else than that. */
async function checked(shown) {
  const operation = readOperation(unhex(shown.operation));
  const honest = await keys.verify(operation.seller, OPERATION_DOMAIN, operation.body, operation.signature);
  if (!honest) throw new Error("The market shows a listing that its seller did not sign. Do not trust it.");
  if (!same(operation.listing, unhex(shown.id))) throw new Error("The market shows another listing than the one asked for.");
  return operation;
}

export async function view(main, id) {
  const shown = await get(`/listings/${id}`);
  const can = await keys.supported();
  const operation = can ? await checked(shown) : readOperation(unhex(shown.operation));
  if (hex(operation.listing) !== id) throw new Error("The market shows another listing than the one asked for.");
  const content = operation.content;
  const seller = hex(operation.seller);
  const mark = can
    ? h("span", { class: "state yes", id: "signature" }, "signature checked in this browser")
    : h("span", { class: "state no", id: "signature" }, "this browser cannot check Ed25519 signatures");
  put(main,
    h("h1", { id: "title" }, content.title),
    h("p", {}, h("span", { class: "price" }, `${cpc(content.price)} / ${content.unit}`), " ", shown.withdrawn ? h("span", { class: "state no" }, "withdrawn") : mark),
    h("p", { id: "description" }, content.description),
    h("ul", { class: "tags", "aria-label": "Tags" }, content.tags.map((tag) => h("li", {}, tag))),
    facts(
      ["Seller", account(seller)],
      ["Category", content.category],
      ["Data", span(content.from_ms, content.to_ms)],
      ["Readings", period(content.period_ms)],
      ["Published", [day(content.created_ms), ", last changed in block ", block(shown.height)]],
      ["Proxies", String(content.proxies.length)],
      ["Address", content.uri ? h("code", {}, content.uri) : null],
      ["Listing", h("code", {}, id)],
    ));
  const sections = ["Price history", "Provenance", "Orders"].map((title) => h("section", {}, h("h2", {}, title)));
  const [prices, provenance, orders] = sections;
  const active = await keys.current();
  if (!shown.withdrawn) put(main, active?.account === seller ? change(shown, operation, active) : buy(shown, operation));
  put(main, ...sections);
  const filled = [fillPrices(prices, id), fillProvenance(provenance, id, content), fillOrders(orders, id)];
  const results = await Promise.allSettled(filled);
  results.forEach((result, i) => result.status === "rejected" && sections[i].append(failure(result.reason)));
}

async function fillPrices(section, id) {
  const [revisions, head] = await Promise.all([get(`/listings/${id}/revisions`), get("/chain")]);
  const priced = revisions.filter((revision) => revision.price !== null);
  const points = priced.map((revision) => [revision.height, Number(BigInt(revision.price) / 10n ** 12n) / 1e6]);
  section.append(steps(points, head.height, "Price in CPC by block", " CPC"),
    table(["Block", "What", "Price"], revisions.map((revision) =>
      [block(revision.height), revision.action, revision.price === null ? "" : cpc(revision.price)]).reverse(), "Revisions"));
}

async function fillOrders(section, id) {
  const { orders } = await get("/orders", { listing: id, limit: 10 });
  if (!orders.length) return section.append(h("p", { class: "soft" }, "Nobody has ordered from it."));
  section.append(table(["Order", "State", "Intervals", "Price", "Offered"], orders.map((order) => [
    h("a", { href: `#/order/${order.id}` }, short(order.id)), state(order.state),
    `${order.first_interval} to ${order.end_interval - 1}`, cpc(order.price), block(order.offered),
  ]), "Orders from this listing"));
}

async function fillProvenance(section, id, content) {
  const list = h("div", { id: "uploads" });
  section.append(h("p", { class: "soft" }, "Stream ", short(hex(content.stream)),
    ". The owner vouched on the chain for each upload before it was sold; each voucher names the one before."), list);
  let previous = null;
  const more = h("button", { type: "button", class: "plain" }, "More uploads");
  async function load(from) {
    more.disabled = true;
    const found = await get(`/listings/${id}/provenance`, { from });
    if (!found.uploads.length && from === 0) {
      return list.append(h("p", { class: "note" }, "No upload of this stream is vouched for: there is no sealed data behind this listing yet."));
    }
    for (const upload of found.uploads) {
      const chained = previous === null ? /^0*$/.test(upload.previous) : upload.previous === previous;
      list.append(uploadCard(upload, chained || from !== 0 && previous === null));
      previous = upload.voucher;
    }
    if (!found.storage) list.append(h("p", { class: "soft" }, "This market is no client of the storage network: it shows vouchers only."));
    more.disabled = false;
    more.onclick = () => load(from + found.uploads.length).catch((error) => list.append(failure(error)));
    found.more ? section.append(more) : more.remove();
  }
  await load(0);
}

function uploadCard(upload, chained) {
  const stored = upload.stored;
  return h("details", { class: "card upload" },
    h("summary", {}, `Upload ${upload.upload}: `, stored
      ? `${span(stored.from_ms, stored.to_ms)}, intervals ${stored.first_interval} to ${stored.end_interval - 1}, ${stored.readings.toLocaleString("en")} readings`
      : "vouched for; the storage network does not show it now", " ",
    h("span", { class: chained ? "state yes" : "state no" }, chained ? "follows the one before" : "does not follow")),
    facts(
      ["Voucher", h("code", {}, upload.voucher)],
      ["Manifest", h("code", {}, upload.manifest)],
      ["Leaves", [`${upload.leaf_count} under `, short(upload.leaf_root)]],
      ["Ciphertext", upload.public ? "anyone may fetch it" : "by grant only"],
      stored && ["Stored", `${size(stored.bytes)}, leased until ${day(stored.expires_ms)}`],
      stored && ["Holders", stored.holders.map((holder) => [short(holder.node), ` ${holder.shards} `])],
    ),
    stored && table(["Block", "Interval", "Begins", "Readings", "Bytes", "Hash"], stored.blocks.map((row) =>
      [String(row.index), String(row.interval), day(row.start_ms), String(row.readings), String(row.bytes), short(row.hash)]),
    `Sealed blocks of upload ${upload.upload}`));
}
