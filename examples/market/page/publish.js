// Selling: a listing is written, signed and handed over here.

import { get, post, until } from "./api.js";
import { hex, unhex } from "./bytes.js";
import { action, facts, h, put } from "./dom.js";
import { cpc, units } from "./format.js";
import * as keys from "./keys.js";
import { OPERATION_DOMAIN, operationBody, readOperation, signedOperation } from "./messages.js";

/** Signs an operation, hands it over, and waits until a final block has it. */
async function send(key, sequence, operation, say) {
  const body = operationBody(unhex(key.account), sequence, operation);
  const signed = signedOperation(body, await keys.sign(key, OPERATION_DOMAIN, body));
  say("signed; handed to the market");
  const taken = await post("/operations", { operation: hex(signed) });
  const id = hex(readOperation(signed).id);
  if (taken.id !== id) throw new Error("the market answers for another operation");
  say("waiting for a block");
  const done = await until(async () => {
    const standing = await get(`/operations/${id}`);
    if (standing.status === "refused") throw new Error(standing.error);
    return standing.status === "final" ? standing : null;
  });
  return { listing: done.listing, height: done.height };
}

const input = (id, label, attributes = {}, wide = false) => {
  const element = h(attributes.rows ? "textarea" : "input", { id, ...attributes });
  return { element, field: h("div", { class: wide ? "wide" : null }, h("label", { for: id }, label), element) };
};

export async function view(main) {
  const key = await keys.current();
  put(main, h("h1", {}, "Sell data"));
  if (!key) {
    return put(main, h("p", { class: "note" }, "A listing is signed by its seller. ", h("a", { href: "#/wallet" }, "Make a key"), " first; it stays in this browser."));
  }
  const title = input("new-title", "Title", { maxlength: 200, required: true }, true);
  const description = input("new-description", "Description", { rows: 4, maxlength: 16000 }, true);
  const category = input("new-category", "Category", { maxlength: 64 });
  const tags = input("new-tags", "Tags, with commas", {});
  const price = input("new-price", "Price, CPC", { inputmode: "decimal", value: "1" });
  const stream = input("new-stream", "Stream, 64 hexadecimal digits", { maxlength: 64, placeholder: "empty: data still to come" }, true);
  const uri = input("new-uri", "Address of the sealed data", { maxlength: 2048, placeholder: "otp:1/..." }, true);
  const unit = h("select", { id: "new-unit" }, ["interval", "file", "stream"].map((name) => h("option", {}, name)));
  const made = h("div", { "aria-live": "polite" });
  const publish = action("Sign and publish", async (say) => {
    if (!title.element.value.trim()) throw new Error("a listing has a title");
    const content = {
      title: title.element.value, description: description.element.value,
      tags: tags.element.value.split(",").map((tag) => tag.trim()).filter(Boolean), category: category.element.value.trim(),
      price: units(price.element.value), unit: unit.value, period_ms: 0n, from_ms: 0n, to_ms: 0n, samples: [],
      uri: uri.element.value.trim(), proxies: [], stream: unhex(stream.element.value.trim() || "0".repeat(64)),
      manifest: new Uint8Array(), created_ms: BigInt(Date.now()),
    };
    const done = await send(key, 0n, { publish: content }, say);
    made.replaceChildren(h("p", { class: "note" }, "In block ", String(done.height), ": ",
      h("a", { href: `#/listing/${done.listing}`, id: "published" }, content.title)));
    return "published";
  }, { id: "publish" });
  put(main,
    h("p", {}, "You sign as ", h("code", {}, key.account), ". The market pays for the transaction that brings your listing to the chain, and cannot change a letter of it."),
    h("form", { class: "fields", onsubmit: (event) => event.preventDefault() }, title.field, description.field, category.field, tags.field, price.field,
      h("div", {}, h("label", { for: "new-unit" }, "Sold by"), unit), stream.field, uri.field),
    publish, made,
    h("p", { class: "soft small" }, "A listing made here says what is for sale. Sealing readings, storing them and granting keys is the work of a gateway, a program at the seller's."));
}

/** For the seller of a listing: another price, or the end of it. */
export function change(shown, operation, key) {
  const price = h("input", { id: "other-price", inputmode: "decimal", value: cpc(operation.content.price).replace(" CPC", "").replaceAll(",", "") });
  const listing = unhex(shown.id);
  const next = async () => {
    const revisions = await get(`/listings/${shown.id}/revisions`);
    return BigInt(revisions.at(-1).sequence) + 1n;
  };
  return h("section", {}, h("h2", {}, "Your listing"), facts(["You sign as", h("code", {}, key.account)]),
    h("div", { class: "fields" }, h("div", {}, h("label", { for: "other-price" }, "Price, CPC"), price)),
    action("Sign the new price", async (say) => {
      const content = { ...operation.content, price: units(price.value) };
      const done = await send(key, await next(), { update: { listing, content } }, say);
      return `changed in block ${done.height}`;
    }, { id: "change-price" }),
    action("Withdraw for good", async (say) => {
      const done = await send(key, await next(), { withdraw: { listing } }, say);
      return `withdrawn in block ${done.height}`;
    }, { id: "withdraw", class: "plain" }));
}
