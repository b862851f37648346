/** The table of all scores: a row per op, sorted by the column whose head is pressed. */
import { formatInterval, formatScore, isKnown } from "../../core/formats.js";
import { makeHtml } from "../../core/dom.js";
import { pickColor, pickTextColor } from "../../core/colors.js";
import { findScaleEnd } from "../../core/scores.js";
import { linkOp } from "../answer.js";

/** Rows of a document: ops with a score in some region, in order of execution. */
export function listScoredOps(doc) {
  const scores = [...doc.models[0].scores.values()];
  return doc.graph.ops.map((_, op) => op).filter((op) => scores.some(({ mean }) => isKnown(mean[op])));
}

/** Regions of which the model has scores. */
function listRegions(doc) {
  return doc.regions.filter(({ id }) => doc.models[0].scores.has(id));
}

/** Ops sorted by what `read` gives for them; unknown ones stay last in both directions. */
export function sortOps(ops, read, descending) {
  const known = ops.filter((op) => read(op) !== null);
  const unknown = ops.filter((op) => read(op) === null);
  const compare = (one, other) =>
    typeof one === "string" ? one.localeCompare(other) : one - other;
  known.sort((a, b) => (descending ? compare(read(b), read(a)) : compare(read(a), read(b))));
  return [...known, ...unknown];
}

/** The table; its colors follow the theme by a function in `page.repaints`. */
export function makeScoreTable(page, block) {
  const { doc } = page;
  const body = makeHtml("tbody");
  const rows = new Map(listScoredOps(doc).map((op) => [op, makeRow(page, op)]));
  const head = makeHtml("tr");
  const sort = (column, cell) => {
    const descending = cell.ariaSort !== "descending" && column.startsDescending
      || cell.ariaSort === "ascending";
    for (const other of head.children) other.removeAttribute("aria-sort");
    cell.ariaSort = descending ? "descending" : "ascending";
    const order = sortOps([...rows.keys()], column.read, descending);
    body.replaceChildren(...order.map((op) => rows.get(op).row));
  };
  for (const column of listColumns(doc)) {
    const cell = makeHtml("th", { scope: "col", class: column.isText ? null : "num" });
    cell.append(makeHtml("button", { type: "button", title: "sort", onclick: () => sort(column, cell) }, column.title));
    head.append(cell);
  }
  body.append(...[...rows.values()].map(({ row }) => row));
  const end = findScaleEnd(doc);
  const paint = () => rows.forEach(({ cells }) => cells.forEach((cell) => paintCell(cell, end, page.look.scoreRamp)));
  paint();
  page.repaints.push(paint);
  const table = makeHtml("table", { class: "all-scores" }, makeHtml("caption", {}, block.caption ?? ""),
    makeHtml("thead", {}, head), body);
  return makeHtml("div", { class: "wide-table" }, table);
}

/** Columns: title, and the value of an op that rows are sorted by. */
function listColumns(doc) {
  const { ops } = doc.graph;
  const columns = [
    { title: "#", read: (op) => op, startsDescending: false },
    { title: "operation", read: (op) => ops[op].name, isText: true, startsDescending: false },
    { title: "output", read: (op) => ops[op].shape, isText: true, startsDescending: false },
  ];
  for (const region of listRegions(doc)) {
    const { mean } = doc.models[0].scores.get(region.id);
    columns.push({ title: region.id, read: (op) => mean[op], startsDescending: true });
  }
  return columns;
}

/** A row, and its cells with the scores that color them. */
function makeRow(page, op) {
  const { doc } = page;
  const cells = listRegions(doc).map((region) => makeCell(doc, region, op));
  const select = (chosen) => page.select(chosen, { reveal: true });
  const row = makeHtml("tr", {}, makeHtml("td", { class: "num soft" }, String(op + 1)),
    makeHtml("td", {}, linkOp(doc, op, select, "link mono")),
    makeHtml("td", { class: "soft" }, doc.graph.ops[op].shape), cells.map(({ cell }) => cell));
  return { row, cells };
}

/** A score with its interval, and whether it is the best op or cannot be told apart from it. */
function makeCell(doc, region, op) {
  const scores = doc.models[0].scores.get(region.id);
  const value = scores.mean[op];
  if (!isKnown(value)) return { cell: makeHtml("td", { class: "num" }, "–"), value: null };
  const isBest = region.best?.op === op;
  const mark = isBest ? "★ " : scores.ties.includes(op) ? "≈ " : "";
  const title = isBest ? `best operation for ${region.id}` : mark ? `cannot be told apart from the best operation for ${region.id}` : null;
  const text = `${mark}${formatScore(value)} ${formatInterval(scores.low[op], scores.high[op])}`.trim();
  return { cell: makeHtml("td", { class: "num", title }, text), value };
}

/** Color a cell by its score; `end` is what the full color stands for. */
function paintCell({ cell, value }, end, ramp) {
  if (value === null) return;
  const fill = pickColor(value / end, ramp);
  cell.style.background = fill;
  cell.style.color = pickTextColor(fill);
}
