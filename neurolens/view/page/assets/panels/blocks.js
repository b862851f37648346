/** Blocks of a section: texts, tables, figures, and what the page draws from its own data. */
import { makeHtml } from "../core/dom.js";
import { linkOp } from "./answer.js";
import { makeBrainBlock } from "./report/brain.js";
import { makeScoreTable } from "./report/scores.js";
import { makePairCard } from "./stimuli/rdms.js";
import { makeGallery } from "./stimuli/thumbs.js";

/** A block by its kind; an unknown kind says so instead of vanishing. */
export function makeBlock(page, block) {
  if (block.kind === "text") return makeText(block);
  if (block.kind === "table") return makeTable(block);
  if (block.kind === "figure") return makeFigure(block);
  if (block.kind === "rdms") return makeRdms(page, block);
  if (block.kind === "scores") return makeScoreTable(page, block);
  if (block.kind === "brain") return makeBrainBlock(page);
  if (block.kind === "stimuli") return makeStimuli(page, block);
  if (block.kind === "code") return makeHtml("pre", {}, block.text);
  return makeHtml("p", { class: "soft" }, `(a block of unknown kind: ${block.kind})`);
}

/** Paragraphs. */
function makeText(block) {
  const texts = Array.isArray(block.text) ? block.text : String(block.text ?? "").split(/\n\n+/);
  return texts.map((text) => makeHtml("p", {}, text));
}

/** RDMs of best ops beside each other, from the data of the page. */
function makeRdms(page, block) {
  const open = (op) => page.select(op, { reveal: true });
  const cards = block.pairs.map(({ region, op }) => {
    const title = makeHtml("p", {}, makeHtml("b", {}, region), " ", linkOp(page.doc, op, open, "link mono"));
    return makeHtml("div", { class: "rdm-card" }, title, makePairCard(page, op, region));
  });
  return [makeHtml("div", { class: "rdm-row" }, cards), makeHtml("p", { class: "soft" }, block.caption ?? "")];
}

/** All stimuli. */
function makeStimuli(page, block) {
  if (!page.doc.stimuli) return null;
  return [makeHtml("p", { class: "soft" }, block.caption ?? ""), makeGallery(page.doc.stimuli)];
}

/** A table with a head; numbers are set to the right. */
function makeTable(block) {
  const columns = block.columns ?? block.head ?? [];
  const rows = block.rows ?? [];
  const isNumber = (cell) => /^[<>≤≥=−-]?\s*[\d.,]+(\s*%)?(\s*\[.*\])?$/.test(String(cell ?? ""));
  const head = columns.map((column) => makeHtml("th", { scope: "col" }, String(column)));
  const body = rows.map((row) => makeHtml("tr", {}, row.map((cell) =>
    makeHtml("td", { class: isNumber(cell) ? "num" : null }, String(cell ?? "–")))));
  const caption = block.caption ? makeHtml("caption", {}, block.caption) : null;
  const table = makeHtml("table", {}, caption, makeHtml("thead", {}, makeHtml("tr", {}, head)), makeHtml("tbody", {}, body));
  return makeHtml("div", { class: "wide-table" }, table);
}

/** A picture; only data of the page itself is shown. */
function makeFigure(block) {
  const source = block.src ?? block.uri ?? block.data ?? "";
  if (!/^data:image\/(svg\+xml|png|jpeg)[;,]/.test(source)) return makeHtml("p", { class: "soft" }, "(a figure without picture data)");
  const image = makeHtml("img", { src: source, alt: block.alt ?? "" });
  const caption = block.caption ? makeHtml("figcaption", {}, block.caption) : null;
  return makeHtml("figure", {}, image, caption);
}
