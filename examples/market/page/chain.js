// The chain: blocks, who certified them, committees, terms, impeachments.

import { blocks as live, get } from "./api.js";
import { facts, h, put, table } from "./dom.js";
import { account, block as link, short, size } from "./format.js";

const ROWS = 15;

const impeached = () => h("span", { class: "state no" }, "impeached");

function row(block) {
  return [link(block.height), String(block.term), account(block.proposer), block.impeached ? impeached() : String(block.transactions), size(block.bytes), short(block.digest)];
}

export async function view(main) {
  const [head, latest, committee, terms, missed] = await Promise.all(
    [get("/chain"), get("/blocks", { limit: ROWS }), get("/committee"), get("/terms"), get("/impeachments", { limit: 10 })]);
  const height = h("span", { id: "height" }, String(head.height));
  const list = h("div", { id: "blocks" });
  let shown = latest;
  const draw = () => list.replaceChildren(table(["Height", "Term", "Proposer", "Transactions", "Size", "Digest"], shown.map(row), "Blocks"));
  draw();
  const older = h("button", { type: "button", class: "plain", onclick: async () => {
    shown = [...shown, ...await get("/blocks", { before: shown.at(-1).height, limit: 50 })];
    draw();
  } }, "Older blocks");
  put(main,
    h("h1", {}, "The chain"),
    facts(["Final height", height], ["Term", `${head.term}, up to block ${head.last_of_term}`], ["Listings", String(head.listings)],
      ["Orders", String(head.orders)], ["Impeached heights", String(head.impeached)], ["Waiting", `${head.pool} transactions, ${head.pending} publications`], ["Chain", h("code", {}, head.chain)]),
    h("h2", {}, "Blocks"), list, older,
    h("h2", { id: "committee" }, `Committee of term ${committee.term}`),
    h("p", {}, `${committee.validators.length} validators; ${committee.quorum} signatures make a certificate; ${committee.faults} may fail or lie.`),
    table(["Role", "Key", ""], [
      ...committee.validators.map((key) => ["validator", account(key), ""]),
      ...committee.proposers.map((one) => ["proposer", account(one.key), one.default ? "by default" : "elected"]),
    ], "Committee"),
    h("h2", {}, "Terms"),
    table(["Term", "Blocks", "Proposers", "How", "Impeached"], terms.map((term) => [
      term.present ? h("strong", {}, `${term.term}, now`) : String(term.term), `${term.first} to ${term.last}`,
      term.proposers.map((one) => [account(one.key), " "]), term.proposers.every((one) => one.default) ? "default" : "elected", String(term.impeached),
    ]), "Terms"),
    h("h2", {}, "Impeachments"),
    missed.length ? table(["Height", "Term", "Silent proposer"], missed.map((one) => [link(one.height), String(one.term), account(one.proposer)]), "Impeachments")
      : h("p", { class: "soft" }, "Every proposer has proposed."));
  return live((block) => {
    height.textContent = String(block.height);
    if (block.height > shown[0].height) shown = [block, ...shown];
    draw();
  });
}

export async function block(main, height) {
  const shown = await get(`/blocks/${height}`);
  const at = Number(height);
  const certificate = shown.certificate;
  put(main,
    h("h1", {}, `Block ${shown.height} `, shown.impeached ? impeached() : null),
    facts(["Digest", h("code", {}, shown.digest)], ["Parent", h("code", {}, shown.parent)], ["Term", String(shown.term)],
      [shown.impeached ? "Did not propose" : "Proposer", account(shown.proposer)], ["Payload", size(shown.bytes)]),
    h("p", {}, at > 1 ? [h("a", { href: `#/block/${at - 1}` }, "Before"), " "] : null, h("a", { href: `#/block/${at + 1}` }, "Next")),
    h("h2", {}, "Certificate"),
    certificate ? [
      facts(["Kind", certificate.kind], ["Of block", link(certificate.height)],
        ["Signers", [`${certificate.signers.length} of ${certificate.validators}, ${certificate.quorum} needed `,
          h("span", { class: "signers", "aria-hidden": "true" }, Array.from({ length: certificate.validators }, (_, i) => h("i", { class: i < certificate.signers.length ? "yes" : "" })))]]),
      table(["Signer"], certificate.signers.map((key) => [account(key)]), "Signers"),
    ] : h("p", { class: "soft" }, "This node holds none of this height; that of a later block covers it."),
    h("h2", {}, "Transactions"),
    shown.transactions.length ? table(["Kind", "Sender", "Nonce", "Size", "", "Id"], shown.transactions.map((one) => [
      one.kind, account(one.sender), String(one.nonce), size(one.bytes),
      one.applied ? h("span", { class: "state yes" }, "executed") : h("span", { class: "state no", title: one.error }, "refused"),
      h("a", { href: `#/transaction/${one.id}` }, short(one.id)),
    ]), "Transactions") : h("p", { class: "soft" }, "None."));
}
