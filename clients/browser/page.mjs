// Drives the status page in headless Chromium, mostly by keyboard. See clients/page.py.
//
// Usage: node page.mjs CHROMIUM FOLDER < the line of the example `status_page`
//
// Prints one line per step that holds, and ends with 1 at the first that does not.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, folder] = process.argv.slice(2);
const server = JSON.parse(readFileSync(0, "utf8"));
const secret = readFileSync(server.secret_file, "utf8").trim();
const origin = new URL(server.url).origin;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const requests = [];
const faults = [];

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.on("request", (request) => requests.push(request.url()));
  context.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  context.on("weberror", (error) => faults.push(String(error.error())));
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  return page;
}

// Presses Tab until the element has the focus.
async function tabTo(page, selector) {
  for (let presses = 0; presses < 60; presses += 1) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) {
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outline, "none", `${selector} does not show that it has the focus`);
      return;
    }
    await page.keyboard.press("Tab");
  }
  assert.fail(`${selector} cannot be reached by keyboard`);
}

async function signIn(page) {
  await page.goto(server.url);
  await tabTo(page, "#secret");
  await page.keyboard.type(secret);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#denials");
}

async function explain(page, token) {
  await tabTo(page, "#token");
  await page.keyboard.insertText(token);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".steps");
}

const shoot = (page, name) => page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });

const steps = {
  "a wrong secret is refused, and the right one is entered by keyboard": async (page) => {
    await page.goto(server.url);
    await shoot(page, "sign-in");
    await tabTo(page, "#secret");
    await page.keyboard.type("a-wrong-secret-of-some-length");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=alert]");
    faults.length = 0; // Chromium logs the status 403.
    await signIn(page);
    const cookies = await page.context().cookies();
    assert.equal(cookies.length, 1);
    assert.deepEqual([cookies[0].httpOnly, cookies[0].sameSite], [true, "Strict"]);
    assert.equal(await page.evaluate(() => document.cookie), "");
    assert.ok(!page.url().includes(secret) && !(await page.content()).includes(secret));
  },
  "issuers, keys, the last hour and the latest denials can be read": async (page) => {
    const text = await page.innerText("main");
    for (const part of ["Usable", "Not used", "The last fetch failed", "2 of 3", "Next refresh", "upstream_unreachable",
      "wrong_audience", "(claimed)", "post-quantum"]) {
      assert.ok(text.includes(part), `${part} is not on the page`);
    }
    assert.ok((await page.locator(".plot rect").count()) >= 60);
    await shoot(page, "status-light");
  },
  "what to do about a denial opens by keyboard": async (page) => {
    await tabTo(page, ".denials summary");
    await page.keyboard.press("Enter");
    assert.ok(await page.locator(".denials details[open] p").first().isVisible());
  },
  "markup in a kid, a subject and a tool's name stays text": async (page) => {
    const text = await page.innerText("#denials");
    assert.ok(text.includes(server.hostile));
    assert.ok((await page.innerText("#issuers")).includes("<script>"));
    assert.equal(await page.locator("main script, main img").count(), 0);
    assert.ok(!(await page.title()).includes("run"));
  },
  "a good token is explained": async (page) => {
    await explain(page, server.tokens.good);
    assert.ok((await page.innerText(".verdict")).includes("Accepted"));
    assert.ok((await page.locator(".steps tbody tr").count()) >= 20);
    assert.ok(!(await page.content()).includes(server.tokens.good));
    assert.ok(!page.url().includes("eyJ"));
    await shoot(page, "accepted-light");
  },
  "an expired token is explained, with what to do": async (page) => {
    await explain(page, server.tokens.expired);
    assert.ok((await page.innerText(".verdict")).includes("expired"));
    assert.ok(await page.locator(".advice").isVisible());
    assert.equal(await page.locator(".steps tr.failed").count(), 1);
    await shoot(page, "refused-light");
  },
  "markup in a token stays text": async (page) => {
    await explain(page, server.tokens.hostile);
    assert.ok((await page.innerText("main")).includes("<script>"));
    assert.equal(await page.locator("main script, main img").count(), 0);
    assert.ok(!(await page.title()).includes("run"));
  },
  "the policy stops a script, a picture and a form that lead elsewhere": async (page) => {
    const blocked = await page.evaluate(async () => {
      const seen = [];
      document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
      const add = (name, set) => document.body.appendChild(Object.assign(document.createElement(name), set));
      add("script", { textContent: "window.inline = true" });
      add("img", { src: "http://127.0.0.1:9/x.png" });
      add("div", { innerHTML: "<p style='color:red'>x</p>" });
      add("form", { action: "http://127.0.0.1:9/", method: "post" }).submit();
      await fetch("/keys").catch(() => {});
      await new Promise((done) => setTimeout(done, 300));
      return { seen, inline: window.inline };
    });
    for (const directive of ["script-src-elem", "img-src", "style-src-attr", "connect-src", "form-action"]) {
      assert.ok(blocked.seen.includes(directive), `${directive} is not blocked: ${blocked.seen}`);
    }
    assert.equal(blocked.inline, undefined);
    faults.length = 0; // The violations, which were wanted.
  },
  "signing out ends the session": async (page) => {
    await page.goto(server.url);
    await tabTo(page, "header button");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#secret");
    await page.goto(server.url);
    assert.ok(await page.locator("#secret").isVisible());
  },
  "dark, narrow and without script it can be read too": async () => {
    const dark = await open({ colorScheme: "dark", javaScriptEnabled: false });
    await dark.goto(server.url);
    await dark.fill("#secret", secret);
    await dark.click("button");
    await dark.waitForSelector("#denials");
    assert.ok((await dark.innerText("main")).includes("wrong_audience"));
    await shoot(dark, "status-dark");
    await dark.setViewportSize({ width: 390, height: 800 });
    await shoot(dark, "status-narrow-dark");
    await dark.fill("#token", server.tokens.expired);
    await dark.click("text=Explain >> nth=-1");
    await dark.waitForSelector(".steps");
    await shoot(dark, "refused-narrow-dark");
    await dark.context().close();
  },
  "at no width does the page scroll sideways": async () => {
    const page = await open();
    await signIn(page);
    for (const width of [320, 390, 768, 1280, 1920]) {
      await page.setViewportSize({ width, height: 900 });
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wider <= 0, `${width}: ${wider} pixels too wide`);
    }
    await page.context().close();
  },
  "text has enough contrast in both schemes": async () => {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open({ colorScheme });
      await signIn(page);
      const worst = await page.evaluate(contrasts);
      assert.ok(worst.ratio >= 4.5, `${colorScheme}: ${worst.ratio.toFixed(2)} at ${worst.where}`);
      await page.context().close();
    }
  },
  "every field has a label, and every page one main heading": async () => {
    const page = await open();
    await page.goto(server.url);
    const check = async () => {
      const unnamed = await page.evaluate(() => [...document.querySelectorAll("input:not([type=hidden]), textarea")]
        .filter((field) => field.labels.length === 0).length);
      assert.equal(unnamed, 0);
      assert.equal(await page.locator("h1").count(), 1);
      assert.equal(await page.locator("main").count(), 1);
    };
    await check();
    await signIn(page);
    await check();
    await explain(page, server.tokens.good);
    await check();
    await page.context().close();
  },
};

// The lowest contrast of visible text with its ground (WCAG 2.2, 1.4.3); runs in the page.
function contrasts() {
  const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  let worst = { ratio: 21, where: "" };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || element.closest("svg, script") || !element.checkVisibility()) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < worst.ratio) worst = { ratio, where: texts.currentNode.textContent.trim().slice(0, 40) };
  }
  return worst;
}

let failed = false;
try {
  const page = await open();
  for (const [name, step] of Object.entries(steps)) {
    await step(page);
    assert.deepEqual(faults, [], `${name}: messages in the console`);
    const elsewhere = requests.filter((url) => new URL(url).origin !== origin && url !== "http://127.0.0.1:9/x.png");
    assert.deepEqual(elsewhere, [], `${name}: requests to elsewhere`);
    console.log(`ok: ${name}`);
  }
  assert.ok(requests.every((url) => !url.includes(secret) && !url.includes("eyJ")), "a secret in an address");
} catch (error) {
  console.error(error);
  failed = true;
}
await browser.close();
process.exit(failed ? 1 : 0);
