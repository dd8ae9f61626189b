// Keys, money and what an account did.

import { get, post, until } from "./api.js";
import { hex, unhex } from "./bytes.js";
import { action, facts, h, put, table } from "./dom.js";
import { account as link, block, cpc, units } from "./format.js";
import * as keys from "./keys.js";
import { TRANSACTION_DOMAIN, signedTransaction, transactionBody, transactionId, transfer } from "./messages.js";

/** Heights that a transaction may wait for its block. */
const LIFE = 500n;

/** Signs a transaction, hands it over, and waits until it is final and executed. */
export async function execute(key, kind, payload, say) {
  const [head, account] = await Promise.all([get("/chain"), get(`/accounts/${key.account}`)]);
  if (account.nonce === null) throw new Error("this account has never received money: somebody must send it some CPC first");
  const body = transactionBody({
    chain: unhex(head.chain), sender: unhex(key.account), nonce: BigInt(account.next_nonce), expires: BigInt(head.height) + LIFE, kind, payload,
  });
  const signed = signedTransaction(body, await keys.sign(key, TRANSACTION_DOMAIN, body));
  const id = hex(transactionId(body));
  const taken = await post("/transactions", { transaction: hex(signed) });
  if (taken.id !== id) throw new Error("the market answers for another transaction");
  say("signed and sent; waiting for a block");
  const done = await until(async () => {
    const found = await get(`/transactions/${id}`);
    return found.status === "final" ? found : null;
  });
  if (!done.applied) throw new Error(done.error);
  return done;
}

export async function view(main) {
  put(main, h("h1", {}, "Your keys"));
  if (!await keys.supported()) {
    return put(main, h("p", { class: "note" }, "This browser cannot sign with Ed25519, so that you can look here and not act. The program `node` has a wallet for the command line."));
  }
  const refresh = () => { main.replaceChildren(); return view(main); };
  const [all, active] = [await keys.all(), await keys.current()];
  const file = h("input", { type: "file", id: "key-file" });
  put(main,
    h("p", {}, "A key is an account: whoever has it sells, buys and pays. Your browser keeps it in a form that no page can read out, not even this one. It is lost with the browser's data: for money that matters, make the key with the program and keep the file."),
    action("Make a key", async () => { await keys.create(); await refresh(); }, { id: "make-key" }),
    h("div", { class: "fields" }, h("div", {}, h("label", { for: "key-file" }, "Or take a key file of `node keys`; it is read here and not uploaded"), file)));
  file.addEventListener("change", async () => {
    try {
      await keys.take(await file.files[0].text());
      await refresh();
    } catch (error) {
      file.after(h("p", { class: "failure", role: "alert" }, error.message));
    }
  });
  for (const key of all) put(main, await card(key, key.account === active.account, refresh));
}

async function card(key, active, refresh) {
  const known = await get(`/accounts/${key.account}`);
  const to = h("input", { id: `to-${key.account}`, placeholder: "64 hexadecimal digits", maxlength: 64 });
  const amount = h("input", { id: `amount-${key.account}`, inputmode: "decimal" });
  const send = action("Sign and send", async (say) => {
    const account = (await get(`/accounts/${to.value.trim()}`)).account;
    const done = await execute(key, "transfer", transfer(unhex(account), units(amount.value)), say);
    await refresh();
    return `sent in block ${done.height}`;
  });
  return h("section", { class: "card key" },
    h("h2", {}, h("a", { href: `#/account/${key.account}` }, h("code", {}, key.account))),
    facts(["Balance", cpc(known.balance)], ["Key", key.origin], ["DID", h("code", {}, known.did)]),
    active ? h("p", {}, h("span", { class: "state yes" }, "signs now")) : action("Sign with this one", async () => { keys.use(key.account); await refresh(); }),
    h("details", {}, h("summary", {}, "Send money"), h("div", { class: "fields" },
      h("div", { class: "wide" }, h("label", { for: to.id }, "To"), to), h("div", {}, h("label", { for: amount.id }, "CPC"), amount)), send),
    h("details", {}, h("summary", {}, "Forget this key"), h("p", {}, "There is no way back without the file."),
      action("Forget it", async () => { await keys.forget(key.account); await refresh(); }, { class: "plain" })));
}

export async function account(main, id) {
  const [known, history] = await Promise.all([get(`/accounts/${id}`), get(`/accounts/${id}/history`, { limit: 50 })]);
  put(main,
    h("h1", {}, "Account"),
    facts(["Account", h("code", {}, known.account)], ["DID", h("code", {}, known.did)], ["Balance", cpc(known.balance)],
      ["Transactions", known.nonce === null ? "it never received anything" : String(known.nonce)], ["As of block", block(known.height)]),
    h("p", {}, h("a", { href: `#/orders/${known.account}` }, "Its orders")),
    h("h2", {}, "History"),
    history.length ? table(["Block", "What", "From", "To", "Amount", ""], history.map((row) => [
      block(row.height), h("a", { href: `#/transaction/${row.transaction}` }, row.kind), link(row.sender), row.to ? link(row.to) : "",
      row.amount ? cpc(row.amount) : "", row.applied ? h("span", { class: "state yes" }, "executed") : h("span", { class: "state no", title: row.error }, "refused"),
    ]), "History of the account") : h("p", { class: "soft" }, "It did nothing that this node remembers."));
}

export async function transaction(main, id) {
  const found = await get(`/transactions/${id}`);
  put(main, h("h1", {}, "Transaction"), facts(
    ["Id", h("code", {}, found.id)], ["Status", h("span", { class: `state ${found.status}` }, found.status)],
    ["Block", found.height === null ? null : block(found.height)], ["Sender", found.sender ? link(found.sender) : null],
    ["Outcome", found.status === "final" ? (found.applied ? "executed" : found.error) : null]));
}

