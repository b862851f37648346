/** The best op of each region in a table: the answer in numbers. */
import { findById, makeHtml } from "../core/dom.js";
import { formatInterval, formatP, formatScore, isKnown } from "../core/formats.js";
import { describeContrast, formatCeiling, linkOp } from "./answer.js";
import { drawBullet, drawBulletAxis, findAxis } from "./bullets.js";

const WIDTH = 220;
const N_ROWS = 6; // more rows scroll

/** Fill the table; it is hidden where no region has a best op. */
export function fillTable(doc, select) {
  const host = findById("best");
  const rows = doc.regions.filter((region) => region.best);
  host.parentElement.hidden = !rows.length;
  if (!rows.length) return;
  host.parentElement.classList.toggle("many", doc.regions.length > N_ROWS);
  const axis = findAxis(doc);
  const columns = listColumns(doc, axis, select);
  const corner = makeHtml("th", { scope: "col" }, "region");
  const head = columns.map((column) =>
    makeHtml("th", { scope: "col", title: column.hint, class: column.style }, column.title),
  );
  host.replaceChildren(makeHtml("thead", {}, makeHtml("tr", {}, corner, head)));
  const body = makeHtml("tbody");
  for (const region of doc.regions) body.append(makeRow(doc, region, columns));
  host.append(body);
}

/** Columns: title, what it means, class, and the cell of a region with a best op. */
function listColumns(doc, axis, select) {
  const { measure } = doc;
  const symbol = measure.symbol || measure.name;
  const columns = [
    { title: "best operation", hint: "chosen on one half of the stimuli", style: "",
      fill: (r) => [linkOp(doc, r.best.op, select, "link mono"), r.best.doubtful ? " (in doubt)" : ""] },
    { title: drawBulletAxis(axis, WIDTH), hint: "held-out score and interval; band: noise ceiling; tick: control", style: "chart",
      fill: (r) => drawBullet(axis, WIDTH, describeRow(doc, r)) },
    { title: `held-out ${symbol}`, hint: ["scored on the stimuli that did not choose it", measure.heldoutInterval].filter(Boolean).join("; "), style: "num",
      fill: (r) => [makeHtml("b", {}, formatScore(r.best.heldout)), ` ${formatInterval(r.best.low, r.best.high)}`] },
  ];
  if (doc.regions.some((r) => isKnown(r.best?.p))) { // beside what it tests, far from the difference
    columns.push({ title: "p, above chance", hint: "of a held-out score above 0, one-sided", style: "num wide", fill: (r) => formatP(r.best.p) });
  }
  columns.push({ title: "noise ceiling", hint: "lower and upper bound", style: "num ceiling-cell", fill: (r) => formatCeiling(r.ceiling) });
  if (doc.regions.some((r) => isKnown(r.best?.control))) {
    const names = new Set(doc.regions.map((r) => r.best?.controlName).filter(Boolean));
    const one = names.size === 1 ? [...names][0] : null;
    columns.push({ title: one ?? "closest control", hint: "held-out score of the control with the largest one: its own best operation", style: "num control-cell",
      fill: (r) => [formatScore(r.best.control), !one && r.best.controlName ? ` (${r.best.controlName})` : ""] });
  }
  if (doc.regions.some((r) => r.best?.contrast)) {
    columns.push({ title: "difference", hint: "held-out score minus that of the compared model", style: "num wide",
      fill: (r) => describeDifference(r.best.contrast) });
  }
  if (doc.regions.some((r) => isKnown(r.best?.agreement))) {
    columns.push({ title: "same choice", hint: "share of random halves that choose this operation", style: "num wide",
      fill: (r) => (isKnown(r.best.agreement) ? `${Math.round(r.best.agreement * 100)} %` : "–") });
  }
  return columns;
}

/** What the dot of a region shows. */
function describeRow(doc, region) {
  const { best, ceiling } = region;
  return {
    k: doc.regionIndex.get(region.id), value: best.heldout, low: best.low, high: best.high, ceiling,
    control: best.control, subjects: null, filled: false,
  };
}

/** A tested difference in a cell, its full text as a hint. */
function describeDifference(contrast) {
  if (!contrast) return "–";
  const numbers = `${formatScore(contrast.difference)} ${formatInterval(contrast.low, contrast.high)}`;
  return makeHtml("span", { title: describeContrast(contrast) }, numbers.trim());
}

/** The row of a region. */
function makeRow(doc, region, columns) {
  const style = `region-${doc.regionIndex.get(region.id)}`;
  const name = makeHtml("th", { scope: "row", class: style, title: region.name }, region.id);
  if (!region.best) {
    return makeHtml("tr", {}, name, makeHtml("td", { class: "soft", colspan: columns.length }, "no best operation was chosen"));
  }
  return makeHtml("tr", {}, name, columns.map((c) =>
    makeHtml("td", { class: c.style, "data-title": typeof c.title === "string" ? c.title : null }, c.fill(region))));
}
