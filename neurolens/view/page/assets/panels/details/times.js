/** The time course of an op's scores; null where scores have no times. */
import { makeHtml, makeSvg } from "../../core/dom.js";
import { formatScore, isKnown, round } from "../../core/formats.js";
import { findLargest, listTicks, roundUp } from "../../core/scores.js";
import { measureText } from "../../layout/text.js";

const WIDTH = 314;
const HEIGHT = 92;
const LEFT = 28;
const BOTTOM = 18;

/** Draw it. */
export function drawTimeCourse(page, op) {
  const { look, doc } = page;
  if (look.signed) return null;
  const courses = look.shown
    .map((region) => ({ region, times: look.model.scores.get(region.id)?.times }))
    .filter(({ times }) => times)
    .map(({ region, times }) => ({ region, labels: times.labels, values: times.mean.map((bin) => bin[op]) }));
  if (!courses.length) return null;
  const high = roundUp(findLargest(courses.flatMap((course) => course.values), 0), 0.05);
  const low = -findLargest(courses.flatMap((course) => course.values).map((v) => (isKnown(v) ? -v : v)), 0);
  const n = courses[0].values.length;
  const x = (bin) => LEFT + (bin / Math.max(1, n - 1)) * (WIDTH - LEFT - 6);
  const y = (value) => 6 + (1 - (value - low) / (high - low)) * (HEIGHT - BOTTOM - 6);
  const svg = makeSvg("svg", { width: WIDTH, height: HEIGHT, role: "img", "aria-label": "time course of the scores of this operation" });
  const { ticks, digits } = listTicks(high, 3);
  for (const tick of ticks) {
    makeSvg("path", { d: `M${LEFT} ${round(y(tick))}H${WIDTH - 6}`, class: tick ? "grid" : "axis" }, svg);
    const text = tick ? formatScore(tick, digits) : "0";
    makeSvg("text", { x: LEFT - 5, y: round(y(tick) + 4), "text-anchor": "end", class: "key" }, svg, text);
  }
  for (const { region, values } of courses) {
    const k = doc.regionIndex.get(region.id);
    makeSvg("path", { d: writeCourse(values, x, y), class: `curve stroke-${k}` }, svg);
  }
  const { time } = look.state;
  if (time !== null) makeSvg("path", { d: `M${round(x(time))} 6V${HEIGHT - BOTTOM}`, class: "picked" }, svg);
  drawLabels(courses[0].labels, x, svg);
  return makeHtml("section", {}, makeHtml("h3", {}, "Time course"), svg);
}

/** A line, broken where scores are missing. */
function writeCourse(values, x, y) {
  let isDown = false;
  return values
    .map((value, bin) => {
      if (!isKnown(value)) {
        isDown = false;
        return "";
      }
      const piece = `${isDown ? "L" : "M"}${round(x(bin))} ${round(y(value))}`;
      isDown = true;
      return piece;
    })
    .join("");
}

/** First and last time under the axis. */
function drawLabels(labels, x, svg) {
  const last = labels.length - 1;
  makeSvg("text", { x: LEFT, y: HEIGHT - 4, class: "key" }, svg, String(labels[0]));
  const start = x(last) - measureText(String(labels[last]), 11);
  if (last > 0) makeSvg("text", { x: round(start), y: HEIGHT - 4, class: "key" }, svg, String(labels[last]));
}
