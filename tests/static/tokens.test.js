import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";

const STATIC = new URL("../../static/", import.meta.url);
const css = await readFile(new URL("css/tokens.css", STATIC), "utf8");
const dark = css.indexOf("@media (prefers-color-scheme: dark)");
const tokensOf = (text) => Object.fromEntries([...text.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]));
const light = tokensOf(css.slice(0, dark));
const schemes = { light, dark: { ...light, ...tokensOf(css.slice(dark)) } };

/** Contrast of two colours as WCAG 2.2 defines it, 1 to 21. */
function contrast(a, b) {
  const luminance = (hex) => {
    const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255);
    const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

const tones = ["clear", "uncertain", "suspicious", "alert", "neutral", "progress"];
const pairs = [
  ...["bg", "surface", "surface-hover", "surface-sunken"].flatMap((ground) => [["text", ground, 4.5], ["text-muted", ground, 4.5]]),
  ...tones.flatMap((tone) => [[`tone-${tone}`, `ground-${tone}`, 4.5], [`tone-${tone}`, "surface", 4.5], ["text", `ground-${tone}`, 4.5], ["text-muted", `ground-${tone}`, 4.5]]),
  ["on-accent", "accent", 4.5],
  ["on-accent", "accent-hover", 4.5],
  ["on-danger", "danger", 4.5],
  ["accent", "surface", 4.5],
  ["stage-text", "stage", 4.5],
  ["focus", "surface", 3],
  ["focus", "bg", 3],
  ["border-strong", "surface", 3],
  ...[1, 2, 3, 4, 5, 6].map((face) => [`face-${face}`, "surface", 3]),
];

for (const [scheme, tokens] of Object.entries(schemes)) {
  for (const [front, ground, least] of pairs) {
    test(`${scheme}: ${front} can be read on ${ground}`, () => {
      const found = contrast(tokens[front], tokens[ground]);
      assert.ok(found >= least, `${tokens[front]} on ${tokens[ground]} is ${found.toFixed(2)}, at least ${least} is needed`);
    });
  }
}

test("every token that is used is defined", async () => {
  const defined = new Set([...css.matchAll(/--([\w-]+):/g)].map(([, name]) => name));
  for (const local of ["tone", "ground"]) defined.add(local); // set by data-tone in base.css
  for (const file of await readdir(new URL("css/", STATIC))) {
    const text = await readFile(new URL(`css/${file}`, STATIC), "utf8");
    for (const [, name] of text.matchAll(/var\(--([\w-]+)\)/g)) assert.ok(defined.has(name), `${file} uses --${name}`);
  }
});

/** The dashboard's modules, below js/. */
async function modules() {
  const files = await readdir(new URL("js/", STATIC), { recursive: true });
  return files.filter((file) => file.endsWith(".js"));
}

test("nothing is loaded from elsewhere and nothing stands inline", async () => {
  const html = await readFile(new URL("index.html", STATIC), "utf8");
  assert.doesNotMatch(html, /https?:|style=|<style|\son\w+=|<script(?![^>]*\ssrc=)/);
  for (const file of await modules()) {
    const text = await readFile(new URL(`js/${file}`, STATIC), "utf8");
    for (const [, from] of text.matchAll(/^import .* from "([^"]+)"/gm)) assert.match(from, /^\.{1,2}\/[\w/-]+\.js$/, file);
    assert.doesNotMatch(text, /innerHTML|insertAdjacentHTML|document\.write|eval\(/, file);
  }
});

test("every icon that is named is drawn", async () => {
  const sprite = await readFile(new URL("icons.svg", STATIC), "utf8");
  const drawn = new Set([...sprite.matchAll(/<symbol id="([\w-]+)"/g)].map(([, id]) => id));
  const wanted = ["clear", "uncertain", "suspicious", "alert", "warming", "not-scored", "nothing-found"];
  for (const state of ["connecting", "live", "stalled", "lost", "ended"]) wanted.push(`state-${state}`);
  for (const file of await modules()) {
    const text = await readFile(new URL(`js/${file}`, STATIC), "utf8");
    wanted.push(...[...text.matchAll(/\bicon\("([\w-]+)"\)/g)].map(([, name]) => name));
  }
  for (const name of wanted) assert.ok(drawn.has(name), `icons.svg has no ${name}`);
});
