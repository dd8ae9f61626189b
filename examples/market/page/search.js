// Search as you type, with filters.

import { get } from "./api.js";
import { failure, h, put } from "./dom.js";
import { cpc, period, span, units } from "./format.js";

const PAGE = 20;
const PAUSE = 120;

function card(hit) {
  return h("li", { class: "card" },
    h("h2", {}, h("a", { href: `#/listing/${hit.id}` }, hit.title)),
    h("p", { class: "clip" }, hit.description),
    h("p", { class: "row" }, h("span", { class: "price" }, `${cpc(hit.price)} / ${hit.unit}`), h("span", {}, hit.category),
      h("span", {}, span(hit.from_ms, hit.to_ms)), h("span", {}, period(hit.period_ms))));
}

export function view(main) {
  const words = h("input", {
    type: "search", id: "words", autocomplete: "off", maxlength: 200, placeholder: "hourly temperature in Seattle",
    "aria-label": "Search in natural language", "aria-controls": "hits",
  });
  const suggested = h("ul", { class: "suggested", "aria-label": "Suggestions" });
  const category = h("select", { id: "category" }, h("option", { value: "" }, "any"));
  const unit = h("select", { id: "unit" }, ["any", "file", "interval", "stream"].map((name) =>
    h("option", { value: name === "any" ? "" : name }, name)));
  const least = h("input", { id: "least", inputmode: "decimal", placeholder: "0" });
  const most = h("input", { id: "most", inputmode: "decimal", placeholder: "no limit" });
  const finest = h("select", { id: "finest" }, [["", "any"], ["60000", "a minute"], ["3600000", "an hour"], ["86400000", "a day"]]
    .map(([value, text]) => h("option", { value }, text)));
  const seller = h("input", { id: "seller", maxlength: 64, placeholder: "64 hexadecimal digits or a did:key" });
  const hits = h("ol", { class: "cards", id: "hits" });
  const said = h("p", { class: "soft", role: "status" });
  const further = h("button", { type: "button", class: "plain", hidden: true, onclick: () => ask(hits.children.length) }, "More");
  const field = (label, input, wide) => h("div", { class: wide ? "wide" : null }, h("label", { for: input.id }, label), input);

  put(main,
    h("h1", {}, "Sealed data, for sale"),
    h("search", {}, words, suggested,
      h("details", { class: "filters" }, h("summary", {}, "Filters"), h("div", { class: "fields" },
        field("Category", category), field("Sold by", unit), field("Price from, CPC", least), field("Price up to, CPC", most),
        field("Blocks no longer than", finest), field("Seller", seller, true)))),
    said, hits, further);

  let running = null;
  async function ask(offset = 0) {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    try {
      const price = (input) => (input.value.trim() ? units(input.value) : "");
      const found = await get("/listings", {
        q: words.value, category: category.value, unit: unit.value, min_price: price(least), max_price: price(most),
        max_period_ms: finest.value, seller: seller.value.trim(), offset, limit: PAGE,
      }, signal);
      if (offset === 0) hits.replaceChildren();
      hits.append(...found.hits.map(card));
      further.hidden = !found.more;
      const count = hits.children.length;
      said.replaceChildren(count ? `${count}${found.more ? " or more" : ""} found` : "Nothing fits. Fewer words or filters find more.");
    } catch (error) {
      if (error.name !== "AbortError") said.replaceChildren(failure(error));
    }
  }

  async function suggest() {
    const last = words.value.split(/\s+/).at(-1);
    const found = last.length < 2 ? [] : await get("/suggestions", { q: last }).catch(() => []);
    const shown = found.filter((word) => word.text !== last.toLowerCase());
    suggested.replaceChildren(...shown.map((word) => h("li", {}, h("button", { type: "button", onclick: () => {
      words.value = `${words.value.slice(0, words.value.length - last.length)}${word.text} `;
      suggested.replaceChildren();
      words.focus();
      ask();
    } }, word.text))));
  }

  let typing = null;
  words.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { ask(); suggest(); }, PAUSE);
  });
  for (const input of [category, unit, least, most, finest, seller]) input.addEventListener("input", () => ask());
  get("/categories").then((all) => category.append(...all.map((one) => h("option", { value: one.text }, `${one.text} (${one.listings})`))))
    .catch((error) => said.replaceChildren(failure(error)));
  ask();
  if (matchMedia("(pointer: fine)").matches) words.focus();
  return () => { running?.abort(); clearTimeout(typing); };
}
