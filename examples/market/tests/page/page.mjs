// node page.mjs URL KEY_FILE CHROMIUM PICTURES: what a person does on the page, in Chromium, with what must hold.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, keyFile, executablePath, pictures] = process.argv.slice(2);
const origin = new URL(url).origin;
const golden = JSON.parse(await readFile(new URL("golden.json", import.meta.url)));
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 800 };
const PATIENCE = 60_000;
const EVIL = `<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>`;

const profile = await mkdtemp(join(tmpdir(), "page-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath, headless: true, viewport: DESK,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
context.setDefaultTimeout(PATIENCE);
const complaints = [];
const strangers = [];
const posted = [];

async function open() {
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("blob:")) strangers.push(request.url());
    if (request.method() === "POST") posted.push(request.postData());
  });
  await page.goto(url);
  return page;
}

/** Nothing may be wider than the window. */
async function fits(page, what) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${what} is ${content} wide in ${window}`);
}

async function picture(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** Every control has a name that a screen reader can say. */
async function named(page, what) {
  const nameless = await page.evaluate(() => [...document.querySelectorAll("a, button, input, select, textarea")]
    .filter((e) => !e.textContent.trim() && !e.getAttribute("aria-label") && !e.labels?.length && e.type !== "hidden").map((e) => e.outerHTML));
  assert.deepEqual(nameless, [], what);
}

const tests = {
  async "the page writes the bytes of the crates"(page) {
    const found = await page.evaluate(async (golden) => {
      const [bytes, blake3, messages, umbral] = await Promise.all(["bytes", "blake3", "messages", "umbral"].map((name) => import(`/${name}.js`)));
      const { hex, unhex } = bytes;
      const fill = (byte, length = 32) => new Uint8Array(length).fill(byte);
      const pkcs8 = bytes.concat(unhex("302e020100300506032b657004220420"), unhex(golden.seed));
      const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
      const sign = async (domain, body) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, blake3.digest(domain, body)));
      const read = messages.readOperation(unhex(golden.publish.bytes)).content;
      const listing = {
        title: "Wind – çà et là", description: "x".repeat(golden.long), tags: ["wind", "sea"], category: "climate", price: (3n << 64n) + 5n,
        unit: "stream", period_ms: 3600000n, from_ms: 1262304000000n, to_ms: 0n, samples: [fill(3)], uri: "otp:1/x", proxies: read.proxies,
        stream: fill(6), manifest: fill(7), created_ms: 2n ** 64n - 1n,
      };
      const signed = async (sequence, action) => {
        const body = messages.operationBody(unhex(golden.account), sequence, action);
        const all = messages.signedOperation(body, await sign(messages.OPERATION_DOMAIN, body));
        const again = messages.readOperation(all);
        return { bytes: hex(all), id: hex(again.id), listing: hex(again.listing) };
      };
      const body = messages.transactionBody({ chain: fill(15), sender: unhex(golden.account), nonce: 300n, expires: 70000n, kind: "escrow", payload: fill(16, 3) });
      return {
        seed: golden.seed, account: golden.account, long: golden.long,
        digests: golden.digests.map(({ length }) => ({ length, digest: hex(blake3.digest("cpchain/example/page/v1", Uint8Array.from({ length }, (_, i) => i % 251), bytes.utf8("second"))) })),
        publish: await signed(0n, { publish: listing }),
        update: await signed(1n, { update: { listing: fill(8), content: listing } }),
        withdraw: await signed(2n, { withdraw: { listing: fill(8) } }),
        offer: hex(messages.offer({ listing: fill(8), revision: fill(9), first_interval: 8n, end_interval: 300n, manifest: fill(10), leaf_root: fill(11),
          leaf_count: 1n << 40n, price: 7n, fee: 1n << 70n, bond: 7n, buyer_key: fill(12, 34), threshold: 2n, proxies: 3n, nonce: 13n })),
        cancel: hex(messages.cancel(fill(14))), confirm: hex(messages.confirm(fill(14))),
        transfer: hex(messages.transfer(unhex(golden.account), 1n << 90n)),
        transaction: { bytes: hex(messages.signedTransaction(body, await sign(messages.TRANSACTION_DOMAIN, body))), id: hex(messages.transactionId(body)) },
        order_keys: await Promise.all(golden.order_keys.map(async ({ secret }) => ({ secret, public: hex(await umbral.publicKey(unhex(secret))) }))),
      };
    }, golden);
    assert.deepEqual(found, golden);
  },

  async "search as you type finds, and a listing shows where it comes from"(page) {
    await page.locator("#words").pressSequentially("hourly tempera", { delay: 15 });
    await page.locator(".suggested button", { hasText: /^temperature$/ }).click();
    await page.locator("#words").press("End");
    await page.locator("#words").pressSequentially("in seattle");
    const first = page.locator("#hits .card").first();
    await first.getByText("Hourly weather of Seattle, 2010").waitFor();
    await named(page, "search");
    await picture(page, "search");
    await first.locator("a").click();
    await page.getByText("signature checked in this browser").waitFor();
    const upload = page.locator("details.upload").first();
    await upload.locator(".state.yes", { hasText: "follows the one before" }).waitFor();
    await upload.locator("summary").click();
    await upload.getByText("Holders").waitFor();
    assert.ok(await upload.locator("tbody tr").count() >= 28, "the sealed blocks of four weeks");
    assert.equal(await page.locator("svg.plot circle").count(), 3, "three prices");
    await named(page, "listing");
    await page.locator("h1").scrollIntoViewIfNeeded();
    await picture(page, "listing");
  },

  async "filters leave out what does not pass them"(page) {
    await page.locator("summary", { hasText: "Filters" }).click();
    await page.locator("#category").selectOption("logistics");
    await page.getByText("1 found").waitFor();
    await page.getByText("Temperature of cold-chain containers").waitFor();
    await page.locator("#category").selectOption("");
    await page.locator("#most").fill("2.5");
    await page.locator("#hits").getByText("Wind over Elliott Bay").waitFor();
    await page.waitForFunction(() => !document.querySelector("#hits").textContent.includes("Hourly weather"));
  },

  async "a forged listing is not shown"(page) {
    await page.route("**/api/v1/listings/*", async (route) => {
      const response = await route.fetch();
      const shown = await response.json();
      // One byte of the title, as a market could.
      const at = shown.operation.indexOf(Buffer.from("Hourly").toString("hex"));
      const operation = `${shown.operation.slice(0, at)}58${shown.operation.slice(at + 2)}`;
      await route.fulfill({ response, json: { ...shown, operation } });
    });
    await page.locator("#words").fill("hourly weather seattle");
    await page.locator("#hits .card a", { hasText: "Hourly weather of Seattle" }).click();
    await page.locator(".failure").getByText("did not sign").waitFor();
    assert.equal(await page.locator("#title").count(), 0);
    await page.unroute("**/api/v1/listings/*");
  },

  async "a key made here sells, and texts are texts"(page) {
    await page.locator("nav").getByText("Keys").click();
    await page.locator("#make-key").click();
    await page.getByText("signs now").waitFor();
    await page.locator("nav").getByText("Sell").click();
    await page.locator("#new-title").fill(`Zeppelin altitude ${EVIL}`);
    await page.locator("#new-description").fill(`Metres above ground ${EVIL}`);
    await page.locator("#new-category").fill("aviation");
    await page.locator("#new-tags").fill("zeppelin, altitude");
    await page.locator("#new-price").fill("1.25");
    await page.locator("#publish").click();
    await page.locator("#published").waitFor();
    await named(page, "publish");
    await page.locator("nav").getByText("Search").click();
    await page.locator("#words").pressSequentially("zepelin altitude");
    const hit = page.locator("#hits .card").first();
    await hit.getByText("Zeppelin altitude").waitFor();
    await hit.locator("a").click();
    await page.getByText("signature checked in this browser").waitFor();
    assert.equal(await page.locator("#title").textContent(), `Zeppelin altitude ${EVIL}`);
    assert.equal(await page.locator("#description").textContent(), `Metres above ground ${EVIL}`);
    assert.equal(await page.evaluate(() => window.hurt), undefined);
    await page.locator("#other-price").fill("0.75");
    await page.locator("#change-price").click();
    await page.locator(".said", { hasText: "changed in block" }).waitFor();
    await page.reload();
    await page.locator(".price", { hasText: "0.75 CPC / interval" }).waitFor();
  },

  async "an offer moves along its timeline to the end"(page) {
    await page.locator("nav").getByText("Keys").click();
    await page.locator("#key-file").setInputFiles(keyFile);
    await page.locator(".key", { hasText: "from a file" }).getByText("1,000,000 CPC").waitFor();
    await page.locator("nav").getByText("Search").click();
    await page.locator("#words").pressSequentially("hourly weather of seattle");
    await page.locator("#hits .card", { hasText: "Hourly weather of Seattle" }).first().locator("a").click();
    await page.locator("#first").fill("12");
    await page.locator("#last").fill("13");
    await page.locator("#quote").click();
    await page.getByText("10 CPC", { exact: false }).first().waitFor();
    await page.locator("#offer").click();
    await page.locator("#order-state").getByText("delivered").waitFor();
    for (const step of ["The buyer offers", "The seller accepts", "The seller grants", "A proxy posts"]) {
      await page.locator("#timeline li", { hasText: step }).first().waitFor();
    }
    const saved = page.waitForEvent("download");
    await page.locator("#save-key").click();
    assert.match(await readFile(await (await saved).path(), "utf8"), /^0101[0-9a-f]{64}$/);
    await named(page, "order");
    await page.evaluate(() => scrollTo(0, 0));
    await picture(page, "order");
    await page.locator("#confirm").click();
    await page.locator("#order-state").getByText("settled").waitFor();
    await page.locator("#timeline li", { hasText: "The buyer confirms" }).waitFor();
  },

  async "the chain is shown block by block"(page) {
    await page.locator("nav").getByText("Chain").click();
    await page.getByText("Committee of term").waitFor();
    const height = Number(await page.locator("#height").textContent());
    await page.waitForFunction((height) => Number(document.querySelector("#height").textContent) > height, height);
    await named(page, "chain");
    await picture(page, "chain");
    const impeached = page.locator("#blocks tr", { hasText: "impeached" });
    await page.getByText("Older blocks").click();
    await page.waitForFunction(() => document.querySelectorAll("#blocks tbody tr").length > 20);
    await impeached.first().waitFor();
    await page.goto(`${url}#/block/2`);
    await page.getByRole("heading", { name: "Certificate" }).waitFor();
    await page.goto(`${url}#/about`);
    await page.getByText("At the proxies").waitFor();
  },

  async "the keyboard is enough"(page) {
    await page.locator("#words").fill("");
    await page.locator("#words").focus();
    await page.keyboard.type("wind elliott");
    await page.locator("#hits .card").first().getByText("Wind over Elliott Bay").waitFor();
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(() => document.activeElement.textContent) === "Wind over Elliott Bay") break;
    }
    await page.keyboard.press("Enter");
    await page.locator("#title").waitFor();
  },

  async "on a phone nothing is wider than the screen"(page) {
    await page.setViewportSize(PHONE);
    const listing = await page.evaluate(async () => (await (await fetch("/api/v1/listings?q=hourly%20seattle")).json()).hits[0].id);
    const { orders } = await page.evaluate(async () => (await fetch("/api/v1/orders")).json());
    const views = { search: "", phone: `listing/${listing}`, sell: "publish", orders: "orders", order: `order/${orders[0].id}`, chain: "chain", block: "block/3", keys: "wallet", about: "about" };
    for (const [name, hash] of Object.entries(views)) {
      await page.goto(`${url}#/${hash}`);
      await page.locator("main h1").waitFor();
      await page.waitForLoadState("networkidle").catch(() => {});
      await page.waitForTimeout(400);
      await fits(page, name);
      await picture(page, `phone-${name}`);
    }
    await page.emulateMedia({ colorScheme: "dark" });
    await page.goto(`${url}#/`);
    await page.locator("#hits .card").first().waitFor();
    await picture(page, "phone-dark");
    await page.setViewportSize(DESK);
    await fits(page, "search on a desk");
  },
};

let failed = 0;
try {
  for (const [name, test] of Object.entries(tests)) {
    const [page, since] = [await open(), Date.now()];
    try {
      await test(page);
      console.log(`ok    ${name} (${((Date.now() - since) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed++;
      console.log(`FAIL  ${name}\n${error.stack}`);
      await picture(page, `failed-${failed}`);
    }
    await page.close();
  }
  // A key, or the seed in the file, was never sent.
  const seed = (await readFile(keyFile, "utf8")).trim();
  assert.ok(posted.length >= 4 && posted.every((body) => !body.includes(seed)), "no key leaves the browser");
  assert.deepEqual(strangers, [], "no request leaves the origin");
  assert.deepEqual(complaints, [], "no console errors");
  console.log("ok    no key was sent, no request left the origin, the console is empty");
} catch (error) {
  failed++;
  console.log(error.stack);
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
