/** RDMs: an operation below the diagonal, a brain region above it. */
import { pickColor, readHex } from "../../core/colors.js";
import { makeHtml, makeSvg } from "../../core/dom.js";
import { listCategories, makeThumb } from "./thumbs.js";

const LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const N_CATEGORIES = 12; // more are not named
const N_PAIRS = 4;
const WIDTH = 290;

/** Ranks from 0 to 255 of a text with one character of base64 per pair, 64 levels. */
export function decodeRanks(text) {
  return Uint8Array.from(text ?? "", (character) => Math.round((LEVELS.indexOf(character) * 255) / 63));
}

/** Ranks of the op at a position among those with an RDM. */
function readRanks(rdms, at) {
  const size = (rdms.n * (rdms.n - 1)) / 2;
  return decodeRanks(rdms.model.slice(at * size, (at + 1) * size));
}

/** Position of a pair in the upper triangle, row by row. */
export function locatePair(n, a, b) {
  const [first, second] = a < b ? [a, b] : [b, a];
  return first * n - (first * (first + 1)) / 2 + (second - first - 1);
}

/** Pairs from the most alike, or from the least, no stimulus twice. */
export function pickPairs(values, n, fromLargest, most = N_PAIRS) {
  const pairs = [];
  for (let a = 0; a < n; a += 1) {
    for (let b = a + 1; b < n; b += 1) pairs.push([values[locatePair(n, a, b)], a, b]);
  }
  pairs.sort((one, other) => (fromLargest ? other[0] - one[0] : one[0] - other[0]));
  const used = new Set();
  const picked = [];
  for (const [, a, b] of pairs) {
    if (used.has(a) || used.has(b)) continue;
    used.add(a).add(b);
    picked.push([a, b]);
    if (picked.length === most) break;
  }
  return picked;
}

/** The RDM panel of an op; null where there are no RDMs. */
export function makeRdmPanel(page, op) {
  const { doc, look } = page;
  const own = look.state.mode === "other" ? look.model.rdms : doc.rdms;
  if (!own) return null;
  const title = makeHtml("h3", {}, "RDM ", makeHtml("span", { class: "soft" }, "rank of dissimilarity"));
  const at = own.ops.indexOf(op);
  if (at < 0) return makeHtml("section", {}, title, makeHtml("p", { class: "soft" }, explainMissing(own, op)));
  const { n } = own;
  const below = readRanks(own, at);
  const brain = new Map(Object.entries((doc.rdms ?? own).brain ?? {}));
  const region = look.shown.find((r) => brain.has(r.id)) ?? null;
  const above = region ? decodeRanks(brain.get(region.id)) : below;
  const read = makeHtml("p", { class: "pair-read", "aria-live": "polite" }, "point at a cell to see its two stimuli");
  const canvas = makeCanvas(look, { below, above, n, region });
  canvas.addEventListener("pointermove", (event) => {
    readCell(doc.stimuli, { canvas, below, above, n, region }, event, read);
  });
  const width = `width:${n * Math.max(1, Math.floor(WIDTH / n)) || WIDTH}px;max-width:100%`;
  const k = region ? doc.regionIndex.get(region.id) : 0;
  const corner = region ? makeHtml("p", { class: `corner right region-${k}` }, `${region.id} above`) : null;
  const frame = makeHtml("div", { class: "rdm", style: width }, corner,
    makeHtml("div", { class: "strip-wrap" }, canvas, drawCategoryLines(doc.stimuli, n)),
    makeHtml("p", { class: "corner" }, region ? "this operation below" : "this operation"));
  const parts = [title, frame, drawRankScale(look), nameCategories(doc.stimuli), read];
  if (doc.stimuli) {
    parts.push(makePairs(doc.stimuli, "Most alike", pickPairs(below, n, false)));
    parts.push(makePairs(doc.stimuli, "Least alike", pickPairs(below, n, true)));
  }
  return makeHtml("section", {}, parts);
}

/** A small square of an op and a region; null where either is missing. */
export function makePairCard(page, op, region) {
  const { rdms, regions } = page.doc;
  const at = rdms ? rdms.ops.indexOf(op) : -1;
  const known = regions.find(({ id }) => id === region);
  if (at < 0 || !known || !Object.hasOwn(rdms.brain ?? {}, region)) return null;
  const { n } = rdms;
  const ranks = { below: readRanks(rdms, at), above: decodeRanks(rdms.brain[region]), n, region: known };
  const canvas = () => makeCanvas(page.look, ranks);
  const frame = makeHtml("div", { class: "rdm strip-wrap" }, canvas(), drawCategoryLines(page.doc.stimuli, n));
  page.repaints.push(() => frame.firstChild.replaceWith(canvas()));
  return frame;
}

/** Why an op has no RDM. */
function explainMissing(rdms, op) {
  const reason = (rdms.leftOut ?? []).find(([, ops]) => ops.includes(op))?.[0];
  return reason ? `none: ${reason}` : "none was given for this operation";
}

/** The square. */
function makeCanvas(look, { below, above, n, region }) {
  const where = region ? `this operation below the diagonal, ${region.id} above` : "this operation";
  const canvas = makeHtml("canvas", { role: "img", "aria-label": `${n} by ${n} dissimilarities: ${where}` });
  canvas.width = canvas.height = n;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(n, n);
  const colors = Array.from({ length: 256 }, (_, rank) => readHex(pickColor(rank / 255, look.scoreRamp)));
  for (let a = 0; a < n; a += 1) {
    for (let b = 0; b < n; b += 1) {
      if (a === b) continue;
      const start = 4 * (a * n + b);
      const color = colors[(a > b ? below : above)[locatePair(n, a, b)]];
      color.forEach((level, i) => (pixels.data[start + i] = level));
      pixels.data[start + 3] = 255;
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Name the two stimuli of a cell and both ranks. */
function readCell(stimuli, { canvas, below, above, n, region }, event, read) {
  const box = canvas.getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) / box.height) * n);
  const column = Math.floor(((event.clientX - box.left) / box.width) * n);
  if (row === column || Math.min(row, column) < 0 || Math.max(row, column) >= n) return;
  const rank = (values) => Math.round(values[locatePair(n, row, column)] / 2.55);
  const names = stimuli ? `${stimuli.ids[row]}, ${stimuli.ids[column]}` : `stimuli ${row + 1}, ${column + 1}`;
  const ranks = `this operation ${rank(below)}${region ? `, ${region.id} ${rank(above)}` : ""} of 100`;
  const thumbs = stimuli ? [makeThumb(stimuli, row, 34), makeThumb(stimuli, column, 34)] : [];
  read.replaceChildren(...thumbs, makeHtml("span", {}, names, makeHtml("br"), ranks));
}

/** Borders of categories over the square. */
function drawCategoryLines(stimuli, n) {
  const svg = makeSvg("svg", { viewBox: `0 0 ${n} ${n}`, class: "lines", "aria-hidden": "true" });
  const stretches = listCategories(stimuli);
  if (stretches.length > N_CATEGORIES) return svg;
  for (const { from } of stretches.slice(1)) makeSvg("path", { d: `M0 ${from}H${n}M${from} 0V${n}` }, svg);
  return svg;
}

/** The order of the rows in words. */
function nameCategories(stimuli) {
  const stretches = listCategories(stimuli);
  if (!stretches.length || stretches.length > N_CATEGORIES) return null;
  const names = stretches.map(({ name, from, to }) => `${name} ${to - from + 1}`);
  return makeHtml("p", { class: "order" }, `top to bottom: ${names.join(", ")}`);
}

/** The scale of ranks. */
function drawRankScale(look) {
  const svg = makeSvg("svg", { width: 200, height: 16, class: "rank", role: "img", "aria-label": "color scale from alike to unlike" });
  makeSvg("text", { x: 0, y: 12, class: "key" }, svg, "alike");
  for (let i = 0; i < 40; i += 1) {
    const fill = `fill:${pickColor((i + 0.5) / 40, look.scoreRamp)}`;
    makeSvg("rect", { x: 32 + i * 2.5, y: 4, width: 2.8, height: 9, style: fill }, svg);
  }
  makeSvg("text", { x: 137, y: 12, class: "key" }, svg, "unlike");
  return svg;
}

/** Pairs of thumbnails. */
function makePairs(stimuli, title, pairs) {
  const thumbs = pairs.map(([a, b]) =>
    makeHtml("span", { class: "pair" }, makeThumb(stimuli, a, 34), makeThumb(stimuli, b, 34)));
  return makeHtml("div", {}, makeHtml("h4", {}, title), makeHtml("div", { class: "pairs" }, thumbs));
}
