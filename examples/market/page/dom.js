// Elements from JavaScript. Texts are set as texts: nothing that a seller writes is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** h("p", { class: "note" }, "text", child, ...) */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Appends what is there; null, false and lists are as in `h`. */
export function put(element, ...children) {
  return fill(element, {}, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** A list of terms and what they are; rows whose value is null are left out. */
export function facts(...rows) {
  const shown = rows.filter((row) => row && row[1] !== null && row[1] !== undefined);
  return h("dl", { class: "facts" }, shown.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

export function table(head, rows, caption) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))));
}

/** Shows what went wrong, in words, where the person looks. */
export function failure(error) {
  return h("p", { class: "failure", role: "alert" }, error.message ?? String(error));
}

/** A button that says what it is doing, and what came of it. */
export function action(label, act, attributes = {}) {
  const said = h("output", { class: "said" });
  const button = h("button", { type: "button", ...attributes, onclick: async () => {
    button.disabled = true;
    said.replaceChildren("...");
    try {
      said.replaceChildren((await act((text) => said.replaceChildren(text))) ?? "");
    } catch (error) {
      said.replaceChildren(failure(error));
    } finally {
      button.disabled = false;
    }
  } }, label);
  return h("span", { class: "action" }, button, said);
}
