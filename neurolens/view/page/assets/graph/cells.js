/** Scores on the cards; painted again for another region, time, model or theme, without layout. */
import { pickTextColor } from "../core/colors.js";
import { makeSvg } from "../core/dom.js";
import { isKnown, round } from "../core/formats.js";
import { colorScore, readScore, writeCell, writeWithInterval } from "../core/look.js";
import { measureText } from "../layout/text.js";
import { CELL, ROW, STRIP } from "../structure/cards.js";
import { pickRows } from "./contents.js";

const MARGIN = 8;
const PASS = 28; // room for "t12" before a row of cells
const STRIP_TOP = 23;
const NUMBER = 24; // width from which a cell holds its number
const N_LEVELS = 48; // colors of a heat strip: cells of one color are one path

/** Paint the scores of a card. */
export function paintCard(look, card, item) {
  if (!card.cells) return;
  card.cells.replaceChildren();
  if (card.shape) card.shape.style.display = "";
  card.face.style.fill = "";
  card.ink.style.fill = "";
  card.ink.classList.remove("on-fill");
  if (!look.shown.length) return;
  if (item.run) paintStrips(look, card, item);
  else if (look.one && item.ops.length === 1) paintWhole(look, card, item);
  else {
    const passes = pickRows(look, item.ops);
    const lead = passes.length > 1 ? PASS : 0;
    passes.forEach((pass, row) => paintRow(look, card, item, { pass, row, lead }));
  }
}

/** One region: the whole card in the color of its score, with the interval. */
function paintWhole(look, card, item) {
  const [op] = item.ops;
  const [region] = look.shown;
  const fill = colorScore(look, readScore(look, region, op));
  if (!fill) return;
  card.face.style.fill = fill;
  card.ink.classList.add("on-fill");
  card.ink.style.fill = pickTextColor(fill);
  let text = writeWithInterval(look, region, op);
  const room = item.width - 2 * MARGIN;
  if (measureText(text, 11) > room) text = writeCell(look, region, op);
  const y = Math.min(ROW + 11.5, item.height - 4);
  makeSvg("text", { x: MARGIN, y, class: "num", style: `fill:${pickTextColor(fill)}` }, card.cells, text);
  if (card.shape) {
    const both = measureText(text, 11) + measureText(item.node.shape, 11) + 10;
    card.shape.style.display = both > room ? "none" : "";
  }
}

/** The cells of one pass. */
function paintRow(look, card, item, { pass, row, lead }) {
  const { shown, chosen } = look;
  const op = item.ops[pass];
  const room = item.width - 2 * MARGIN - lead;
  const wide = look.one || chosen.length > 2 ? room / shown.length : CELL.width;
  const y = ROW + row * (CELL.height + 1);
  if (lead) {
    const isBest = shown.some((region) => look.bestAt.get(op)?.includes(region));
    const label = `t${item.node.steps[pass]}${isBest ? "★" : ""}`;
    makeSvg("text", { x: MARGIN, y: y + 11.5, class: "pass" }, card.cells, label);
  }
  shown.forEach((region, k) => {
    const x = MARGIN + lead + k * wide;
    const fill = colorScore(look, readScore(look, region, op));
    const place = { x: round(x), y, width: round(wide - 1), height: CELL.height };
    const style = fill ? `fill:${fill}` : null;
    makeSvg("rect", { ...place, class: fill ? "cell" : "cell none", style }, card.cells);
    if (wide < NUMBER) return;
    const text = writeCell(look, region, op);
    const start = round(x + (wide - 1 - measureText(text, 11)) / 2);
    const ink = fill ? `fill:${pickTextColor(fill)}` : null;
    makeSvg("text", { x: start, y: y + 11.5, class: "num", style: ink }, card.cells, text);
  });
}

/** A folded module: a row per region, ops in order. */
function paintStrips(look, card, item) {
  const { shown, chosen } = look;
  const total = chosen.length * STRIP + 1;
  const height = shown.length === chosen.length ? STRIP : total;
  const names = nameStrips(look, height);
  const lead = Math.max(0, ...names.map((name) => measureText(name, 11, true) + 5));
  const left = MARGIN + (names.length ? lead : 5);
  const width = (item.width - MARGIN - left) / item.ops.length;
  shown.forEach((region, row) => {
    const y = STRIP_TOP + row * height;
    const k = look.doc.regionIndex.get(region.id);
    if (names.length) {
      const place = { x: MARGIN, y: round(y + height / 2 + 4), class: `strip-name region-${k}` };
      makeSvg("text", place, card.cells, names[row]);
    } else if (shown.length > 1) {
      const mark = { x: MARGIN, y, width: 3, height: height - 1, class: `fill-${k}` };
      makeSvg("rect", mark, card.cells);
    }
    paintStrip(look, card.cells, { region, ops: item.ops, left, y, width, height: height - 1 });
  });
}

/** Names of the rows where rows are as high as text; else their order and color say it. */
function nameStrips(look, height) {
  return height >= 12 ? look.shown.map((region) => region.id) : [];
}

/** One row of a heat strip as one path per color. */
function paintStrip(look, parent, { region, ops, left, y, width, height }) {
  const gap = width > 3 ? -0.5 : 0.2;
  const paths = new Map();
  ops.forEach((op, j) => {
    const value = readScore(look, region, op);
    const level = isKnown(value) ? Math.round((value / look.end) * N_LEVELS) / N_LEVELS : null;
    const fill = colorScore(look, level === null ? null : level * look.end) ?? "none";
    const x = round(left + j * width);
    const piece = `M${x} ${round(y)}h${round(width + gap)}v${round(height)}h${-round(width + gap)}z`;
    paths.set(fill, (paths.get(fill) ?? "") + piece);
  });
  for (const [fill, d] of paths) {
    const style = fill === "none" ? { class: "cell none" } : { class: "cell", style: `fill:${fill}` };
    makeSvg("path", { d, ...style }, parent);
  }
}
