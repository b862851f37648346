/** Cards without their scores: name, label, shape, ties, tags of best ops. */
import { makeSvg } from "../core/dom.js";
import { round } from "../core/formats.js";
import { findTies, writeWithInterval } from "../core/look.js";
import { measureText, shortenText } from "../layout/text.js";
import { listTies, MARK, MARK_SIGN, ROW, TAG } from "../structure/cards.js";
import { describeNode, describeRun } from "./contents.js";

const MARGIN = 8;
const FEWEST_ALONE = 3; // with fewer regions the shape stands beside the cells

/** Draw a card at the origin; what is painted later is named in the record that is returned. */
export function drawFace(look, item) {
  const group = makeSvg("g", { tabindex: -1, role: "button", "aria-label": describeItem(look, item) });
  const card = { group, face: null, ink: group, cells: null, shape: null };
  group.setAttribute("class", `card ${nameKind(item)}`);
  if (item.node && item.node.kind !== "op") {
    drawEnd(item, group);
    return card;
  }
  const { width, height } = item;
  if (item.run) makeSvg("rect", { x: 3, y: 3, width, height, rx: 5, class: "stack" }, group);
  card.face = makeSvg("rect", { width, height, rx: 4, class: "face" }, group);
  card.ink = makeSvg("g", {}, group);
  const contents = item.run ? describeRun(look, item.run) : describeNode(look, item.node);
  if (item.run) drawFoldedHead(item, contents, card.ink);
  else drawHead(look, item, contents, card);
  card.cells = makeSvg("g", { class: "cells" }, group);
  drawMarks(item, contents, card.ink);
  contents.best.forEach((region, i) => drawTag(look, item, contents, group, region, i));
  return card;
}

/** Classes of a card. */
function nameKind(item) {
  if (item.run) return "folded";
  const parts = [item.node.kind];
  if (item.ops.length > 1) parts.push("multi");
  if (item.node.generated) parts.push("generated");
  return parts.join(" ");
}

/** An input or the output. */
function drawEnd(item, group) {
  const { node, width, height } = item;
  makeSvg("rect", { width, height, rx: 12, class: "face" }, group);
  const rest = node.label || node.shape;
  const name = shortenText(node.name, width - 16, 12, true);
  const total = measureText(name, 12, true) + (rest ? 6 + measureText(rest, 11) : 0);
  const start = Math.max(MARGIN, (width - total) / 2);
  makeSvg("text", { x: round(start), y: 16, class: "name" }, group, name);
  if (rest) {
    const x = round(start + measureText(name, 12, true) + 6);
    makeSvg("text", { x, y: 16, class: "soft" }, group, rest);
  }
}

/** Title of a folded module and how many ops it holds. */
function drawFoldedHead(item, contents, ink) {
  const count = `${item.ops.length} ops`;
  const room = item.width - 22 - measureText(count, 11) - MARGIN - 6;
  const title = shortenText(contents.name, room, 12, true);
  makeSvg("text", { x: MARGIN, y: 15, class: "name" }, ink, title);
  const x = round(item.width - 22 - measureText(count, 11));
  makeSvg("text", { x, y: 15, class: "soft" }, ink, count);
  makeSvg("path", { d: `M${round(item.width - 17)} 11h8m-4 -4v8`, class: "sign" }, ink);
}

/** Name, label and, from the right, passes, ties or shape. */
function drawHead(look, item, contents, card) {
  const { width } = item;
  const { name, label, shape } = contents;
  let left = MARGIN + measureText(name, 12, true);
  makeSvg("text", { x: MARGIN, y: 15, class: "name" }, card.ink, name);
  if (label) {
    makeSvg("text", { x: round(left + 5), y: 15, class: "soft" }, card.ink, label);
    left += 5 + measureText(label, 11);
  }
  let right = width - MARGIN;
  if (item.ops.length > 1) right = drawRight(card.ink, `×${item.ops.length}`, right, "passes");
  const ties = findTies(look, item.ops);
  if (ties.length) drawTies(look, card.ink, ties, right);
  if (look.chosen.length && look.chosen.length < FEWEST_ALONE) {
    const x = width - MARGIN - measureText(shape, 11);
    card.shape = makeSvg("text", { x: round(x), y: ROW + 11.5, class: "soft" }, card.ink, shape);
  } else if (!ties.length && right - left - 8 > measureText(shape, 11)) {
    drawRight(card.ink, shape, right, "soft");
  }
}

/** What Python did with values: "chose the path: True". */
function drawMarks(item, contents, ink) {
  const foot = item.height - contents.best.length * TAG - contents.marks.length * MARK;
  contents.marks.forEach((mark, i) => {
    const y = round(foot + i * MARK + 10);
    makeSvg("path", { d: `M${MARGIN + 4} ${y - 8}l4 4l-4 4l-4 -4z`, class: "branch" }, ink);
    makeSvg("text", { x: MARGIN + MARK_SIGN, y, class: "branch" }, ink, mark);
  });
}

/** A text that ends at `right`; returns where the next one to its left may end. */
function drawRight(parent, text, right, style, size = 11, bold = style !== "soft") {
  const width = measureText(text, size, bold);
  makeSvg("text", { x: round(right - width), y: 15, class: style }, parent, text);
  return right - width - 6;
}

/** "≈ V1 V2", each region in its color; what does not fit is counted. */
function drawTies(look, parent, ties, right) {
  const group = makeSvg("g", { class: "ties" }, parent);
  const words = listTies(ties.map((region) => region.id));
  let x = right - measureText(words.join(" "), 11, true);
  words.forEach((word, i) => {
    const region = i && word[0] === ties[i - 1].id[0] ? ties[i - 1] : null; // not "≈", not "+4"
    const style = region ? `region-${look.doc.regionIndex.get(region.id)}` : null;
    makeSvg("text", { x: round(x), y: 15, class: style }, group, word);
    x += measureText(`${word} `, 11, true);
  });
}

/** The tag of a best op at the foot of its card, and a frame in the region's color. */
function drawTag(look, item, contents, group, region, i) {
  const { width, height } = item;
  const n = contents.best.length;
  const k = look.doc.regionIndex.get(region.id);
  const y = round(height - (n - i) * TAG);
  const foot = `M0 ${y}H${width}V${height - 4}q0 4 -4 4H4q-4 0 -4 -4z`;
  const middle = `M0 ${y}H${width}V${y + TAG}H0z`;
  makeSvg("path", { d: i === n - 1 ? foot : middle, class: `tag fill-${k}` }, group);
  const { text, short } = contents.texts[i];
  const fits = measureText(text, 11, true) < width - 14;
  makeSvg("text", { x: MARGIN, y: y + 12, class: "tag-text" }, group, fits ? text : short);
  makeSvg("rect", { width, height, rx: 4, class: `frame stroke-${k}` }, group);
}

/** What a screen reader says of a card. */
export function describeItem(look, item) {
  if (item.run) {
    const what = item.kind === "box" ? "unfolded" : "folded: unfold";
    return `${item.run.address}, ${item.run.moduleClass}, ${item.ops.length} operations, ${what}`;
  }
  if (item.node.kind !== "op") return `${item.node.name} ${item.node.shape}`;
  return describeOp(look, item.ops[0]);
}

/** Name, shape and the shown scores of an op in one line. */
export function describeOp(look, op) {
  const { name, shape } = look.model.graph.ops[op];
  const scores = look.shown.slice(0, 8).map((region) => `${region.id} ${writeWithInterval(look, region, op)}`);
  return `${name}, ${shape}` + (scores.length ? `: ${scores.join("; ")}` : "");
}
