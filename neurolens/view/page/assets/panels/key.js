/** What the marks in the graph mean; only of those that are there. */
import { findById, makeHtml, makeSvg } from "../core/dom.js";
import { findOpeningTime, listTimes } from "../core/scores.js";
import { drawLegend } from "../graph/legend.js";

/** Fill the key for a look and a scene. */
export function fillKey(look, scene) {
  const box = findById("scale-box");
  const width = drawLegend(look, findById("scale"), innerWidth - 30);
  box.setAttribute("width", width);
  box.style.display = width ? "" : "none";
  findById("order").replaceChildren(...listRegions(look));
  findById("marks").replaceChildren(...listMarks(look, scene).map(makeMark));
}

/** The regions of the cells, in order. */
function listRegions(look) {
  if (!look.shown.length) return [];
  const names = look.shown.flatMap((region, i) => [
    i ? " | " : "",
    makeHtml("b", { class: `region-${look.doc.regionIndex.get(region.id)}`, title: region.name }, region.id),
  ]);
  const lead = look.one ? "color: " : "cells and rows: ";
  const hidden = look.doc.regions.length - look.chosen.length;
  return [lead, ...names, !look.one && hidden ? ` (${hidden} more under Regions)` : ""];
}

/** Marks as [sign, text]. */
function listMarks(look, scene) {
  const marks = [];
  const scored = look.shown.map((region) => look.scores.get(region.id)).filter(Boolean);
  const when = nameBaseTime(look);
  if (look.bestAt.size) marks.push(["★", `best${when}, with held-out score`]);
  if (look.tiesAt.size) marks.push(["≈", `not distinguishable from best${when}`]);
  if (scored.some((scores) => scores.hasQ)) marks.push(["(.03)", "q > .05"]);
  const roles = new Set(scene.arrows.map((arrow) => arrow.role));
  if (roles.has("shortcut")) marks.push(["shortcut", "shortcut"]);
  if (roles.has("loop")) marks.push(["loop", "next pass"]);
  if (scene.nLeftOut) marks.push(["", `${scene.nLeftOut} shortcuts not drawn`]);
  if (scene.items.some((item) => item.node?.generated)) marks.push(["◌", "made without input"]);
  return marks;
}

/** " at 350 ms" where another time is shown than that of the best ops. */
function nameBaseTime(look) {
  if (look.isBaseTime) return "";
  const time = findOpeningTime(look.doc);
  return time === null ? " over all times" : ` at ${listTimes(look.doc)[time]}`;
}

/** One mark; arrows are drawn, signs are written. */
function makeMark([sign, text]) {
  if (sign !== "shortcut" && sign !== "loop") {
    return makeHtml("span", {}, sign ? makeHtml("span", { class: "mark" }, sign) : null, " ", text);
  }
  const svg = makeSvg("svg", { width: 26, height: 8, "aria-hidden": "true" });
  makeSvg("path", { d: "M0 4H26", class: `edge ${sign}` }, svg);
  const words = `${sign === "loop" ? "blue" : "dashed"}: ${text}`;
  return makeHtml("span", { "data-words": words }, svg, " ", text);
}
