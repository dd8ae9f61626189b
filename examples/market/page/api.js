// What this page asks its own server, and no other.

const BASE = "/api/v1";

async function answer(response) {
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  throw new Error(body?.error?.message ?? `the server answered ${response.status}`);
}

/** GET with a query; empty values are left out. */
export async function get(path, query = {}, signal) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const text = given.length ? `?${new URLSearchParams(given)}` : "";
  return answer(await fetch(`${BASE}${path}${text}`, { signal }));
}

/** POST of something signed. */
export async function post(path, body) {
  const headers = { "content-type": "application/json" };
  return answer(await fetch(BASE + path, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** Calls `seen` with each final block from now on; returns what ends it. */
export function blocks(seen) {
  const source = new EventSource(`${BASE}/stream`);
  source.addEventListener("block", (event) => seen(JSON.parse(event.data)));
  return () => source.close();
}

/** Asks again with every block until `question` gives something, for at most so many seconds. */
export function until(question, seconds = 60) {
  return new Promise((resolve, reject) => {
    let over = false;
    const end = (settle, value) => {
      if (over) return;
      over = true;
      close();
      clearInterval(again);
      clearTimeout(late);
      settle(value);
    };
    const ask = () => question().then((value) => value && end(resolve, value), (error) => end(reject, error));
    const close = blocks(ask);
    // Should the stream break, it is asked all the same.
    const again = setInterval(ask, 3000);
    const late = setTimeout(() => end(reject, new Error("it is not final yet: look again later")), seconds * 1000);
    ask();
  });
}
