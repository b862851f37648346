/** A dot with its interval on a small axis, with noise ceiling and random weights. */
import { makeSvg } from "../core/dom.js";
import { formatScore, isKnown, round } from "../core/formats.js";
import { findLargest, listTicks, roundUp } from "../core/scores.js";

const MARGIN = 6;

/** The axis of all dots of the page: one for all regions. */
export function findAxis(doc) {
  let low = 0;
  let high = 0;
  const take = (values) => {
    high = findLargest(values, high);
    low = -findLargest(values.map((v) => (isKnown(v) ? -v : v)), -low);
  };
  for (const { best, ceiling, ceilings } of doc.regions) {
    take([best?.high, best?.heldout, best?.low, best?.control]);
    for (const bounds of [ceiling, ...(ceilings ?? [])]) take(bounds ?? []);
  }
  for (const model of doc.models) {
    for (const { mean, low: below, high: above, subjects, times } of model.scores.values()) {
      const rows = [mean, below, above, ...(subjects?.values ?? [])];
      for (const part of [times?.mean, times?.low, times?.high]) rows.push(...(part ?? []));
      rows.forEach(take);
    }
  }
  return { low: low < -0.02 ? -roundUp(-low, 0.05) : 0, high: roundUp(high, 0.05) };
}

/** From a value to x, clamped to the axis. */
function scale(axis, width) {
  return (value) => {
    const share = (value - axis.low) / (axis.high - axis.low);
    return round(MARGIN + Math.min(1, Math.max(0, share)) * (width - 2 * MARGIN));
  };
}

/** Numbers above a column of dots. */
export function drawBulletAxis(axis, width) {
  const svg = makeSvg("svg", { width, height: 14, viewBox: `0 0 ${width} 14`, class: "bullet", role: "img", "aria-label": "axis" });
  const place = scale(axis, width);
  const { ticks, digits } = listTicks(axis.high, 4);
  for (const tick of ticks) {
    const text = tick === 0 ? "0" : formatScore(tick, digits);
    makeSvg("text", { x: place(tick), y: 11, class: "key", "text-anchor": "middle" }, svg, text);
  }
  return svg;
}

/**
 * One row. `row` = {k: region's position, value, low, high, ceiling, control, subjects, filled};
 * what is null is not drawn.
 */
export function drawBullet(axis, width, row) {
  const svg = makeSvg("svg", { width, height: 18, viewBox: `0 0 ${width} 18`, "aria-hidden": "true", class: "bullet" });
  const place = scale(axis, width);
  makeSvg("path", { d: `M${MARGIN} 9H${width - MARGIN}`, class: "grid" }, svg);
  if (row.ceiling && isKnown(row.ceiling[0])) {
    const left = place(row.ceiling[0]);
    const right = isKnown(row.ceiling[1]) ? place(row.ceiling[1]) : left + 1.5;
    makeSvg("rect", { x: left, y: 3, width: Math.max(0, round(right - left)), height: 12, class: "ceiling" }, svg);
  }
  makeSvg("path", { d: `M${place(0)} 3v12`, class: "axis" }, svg);
  if (isKnown(row.control)) makeSvg("path", { d: `M${place(row.control)} 3v12`, class: "random" }, svg);
  for (const value of row.subjects ?? []) {
    if (isKnown(value)) makeSvg("circle", { cx: place(value), cy: 9, r: 2, class: "subject" }, svg);
  }
  if (isKnown(row.low) && isKnown(row.high)) {
    makeSvg("path", { d: `M${place(row.low)} 9H${place(row.high)}`, class: `whisker stroke-${row.k}` }, svg);
  }
  if (isKnown(row.value)) {
    const style = row.filled ? `spot fill-${row.k}` : `dot stroke-${row.k}`;
    makeSvg("circle", { cx: place(row.value), cy: 9, r: 4, class: style }, svg);
  }
  return svg;
}
