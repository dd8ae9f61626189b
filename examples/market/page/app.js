// Which view is shown, and the head of the chain.

import { blocks, get } from "./api.js";
import * as chain from "./chain.js";
import { failure, h, put } from "./dom.js";
import * as listing from "./listing.js";
import * as order from "./order.js";
import * as publish from "./publish.js";
import * as search from "./search.js";
import * as wallet from "./wallet.js";

const ABOUT = [
  ["In this browser", "Keys are made, kept and used here. Listings, offers and transfers are written and signed here, and the signatures of the listings that you look at are checked here. An order's own key is made here."],
  ["At the market that serves this page", "It searches, shows what its node knows of the chain, and hands on what you signed. It cannot sign for you or change what you signed. It can hide things, or be behind: any other market has the same listings, and so has a node of your own. The page's files come from it, too: whoever serves them decides what they do. For money that matters run the market yourself."],
  ["At the chain", "Validators order listings and orders, hold the money of each order, verify the proxies' fragments, and judge complaints."],
  ["At the proxies", "They hand over ciphertext and re-encrypt keys of paid orders. They see neither keys nor data."],
  ["At the seller's gateway", "Readings are sealed there before they leave. The seller answers orders with grants for exactly the intervals that were paid."],
  ["On your machine", "A program fetches, verifies and decrypts what you bought."],
];

function about(main) {
  put(main, h("h1", {}, "What happens where"), ABOUT.map(([where, what]) => [h("h2", {}, where), h("p", {}, what)]),
    h("p", {}, "All that this page shows is JSON: ", h("a", { href: "/api/v1/openapi.json" }, "the description of the API"), "."));
}

const ROUTES = {
  "": search.view, listing: listing.view, publish: publish.view, orders: order.list, order: order.view, chain: chain.view,
  block: chain.block, transaction: wallet.transaction, account: wallet.account, wallet: wallet.view, about,
};

const main = document.getElementById("view");
let leave = null;
let turn = 0;

async function show() {
  const mine = ++turn;
  leave?.();
  leave = null;
  const [, name = "", id] = location.hash.split("/");
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.getAttribute("href") === `#/${name}`;
    current ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  const fresh = h("div", {});
  main.replaceChildren(fresh);
  try {
    const route = Object.hasOwn(ROUTES, name) ? ROUTES[name] : null;
    if (!route) throw new Error("There is no such page.");
    const left = await route(fresh, id && decodeURIComponent(id));
    // Somebody may have gone on while it was made.
    if (typeof left === "function") mine === turn ? (leave = left) : left();
  } catch (error) {
    fresh.append(failure(error));
  }
  document.title = `${fresh.querySelector("h1")?.textContent ?? "CPChain market"} – CPChain market`;
}

const head = document.getElementById("head");
const tell = (height) => { head.textContent = `block ${height}`; };
get("/chain").then((now) => tell(now.height), () => { head.textContent = "the market does not answer"; });
blocks((block) => tell(block.height));

window.addEventListener("hashchange", () => { show(); main.focus({ preventScroll: true }); scrollTo(0, 0); });
show();
