/** Score along the network, a panel per region; pointing and clicking work both ways with the graph. */
import { makeHtml, makeSvg } from "../../core/dom.js";
import { isKnown, round } from "../../core/formats.js";
import { pickScores } from "../../core/scores.js";
import { spellAnswer } from "../answer.js";
import { arrangePanels, findRange, listBands } from "./frame.js";
import { drawCurves, drawGround, scalePanel } from "./curves.js";
import { drawHeat } from "./heat.js";

/** Draw into `host`; returns {hover, pick}, which mark an op (null: none) in all panels. */
export function drawProfile(page, host) {
  const { look } = page;
  const regions = look.shown.filter((region) => look.scores.get(region.id));
  host.parentElement.hidden = !regions.length;
  host.replaceChildren();
  if (!regions.length) return { hover() {}, pick() {} };
  const frame = arrangePanels(look, regions, host.clientWidth || 900);
  const label = `Score along the network. ${spellAnswer(look.doc)}`;
  const { width, height } = frame;
  const svg = makeSvg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, host);
  const pairs = regions.map((region) => pairScores(look, region));
  const range = findRange(look, pairs.flat().filter(Boolean));
  const n = look.model.graph.ops.length;
  const bands = listBands(page.view);
  const marks = frame.panels.map((panel, i) => {
    const group = makeSvg("g", {}, svg);
    const scales = scalePanel(panel, range, n);
    drawGround(look, panel, range, scales, bands, group);
    const times = look.state.mode === "difference" ? null : findTimes(look, panel.region);
    const heat = times ? drawHeat(look, panel, times, group) : null;
    drawCurves(look, panel, scales, pairs[i][0], pairs[i][1], group);
    const mark = makeMarks(look, panel, scales, heat, group);
    listenTo(page, { svg, panel, heat, n, width }, group);
    return mark;
  });
  const profile = {
    hover: (op) => marks.forEach((mark) => mark.hover(op)),
    pick: (op) => marks.forEach((mark) => mark.pick(op)),
  };
  profile.pick(look.state.selected);
  return profile;
}

/** Scores of a region and those of the other model, which are dashed. */
function pairScores(look, region) {
  const { doc, state } = look;
  const shown = look.scores.get(region.id);
  if (state.mode === "difference" || doc.models.length < 2) return [shown, null];
  return [shown, pickScores(doc, { ...state, mode: state.mode === "this" ? "other" : "this" }, region.id)];
}

/** Times of the model on screen. */
function findTimes(look, region) {
  return look.model.scores.get(region.id)?.times ?? null;
}

/** The cursor and the line of the selected op. */
function makeMarks(look, panel, scales, heat, group) {
  const { region, y, height } = panel;
  const k = look.doc.regionIndex.get(region.id);
  const bottom = heat ? heat.y + heat.height : y + height;
  if (heat && look.state.time !== null) {
    const top = heat.y + look.state.time * heat.bin;
    const place = { x: round(panel.x), y: round(top), width: round(panel.width), height: round(heat.bin) };
    makeSvg("rect", { ...place, class: "bin" }, group);
  }
  const picked = makeSvg("path", { class: "picked", style: "display:none" }, group);
  const cursor = makeSvg("g", { class: "cursor", style: "display:none" }, group);
  makeSvg("path", { d: `M0 ${y}V${bottom}` }, cursor);
  const spot = makeSvg("circle", { r: 3.2, class: `fill-${k}` }, cursor);
  const { mean } = look.scores.get(region.id);
  return {
    hover(op) {
      cursor.style.display = op === null ? "none" : "";
      if (op === null) return;
      cursor.setAttribute("transform", `translate(${round(scales.x(op))} 0)`);
      spot.style.display = isKnown(mean[op]) ? "" : "none";
      if (isKnown(mean[op])) spot.setAttribute("cy", round(scales.y(mean[op])));
    },
    pick(op) {
      picked.style.display = op === null ? "none" : "";
      if (op !== null) picked.setAttribute("d", `M${round(scales.x(op))} ${y}V${bottom}`);
    },
  };
}

/** Pointing shows an op everywhere, a click selects it; in the heat strip, with its time. */
function listenTo(page, { svg, panel, heat, n, width }, group) {
  const bottom = heat ? heat.y + heat.height : panel.y + panel.height;
  const area = { x: round(panel.x - 4), y: panel.y - 4, width: round(panel.width + 8), height: bottom - panel.y + 26 };
  const surface = makeSvg("rect", { ...area, class: "hit-area" }, group);
  const locate = (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * (width / box.width) - panel.x;
    const y = event.clientY - box.top;
    const op = Math.max(0, Math.min(n - 1, Math.round((x / panel.width) * (n - 1))));
    const isHeat = heat && y >= heat.y && y < heat.y + heat.height;
    return { op, bin: isHeat ? Math.floor((y - heat.y) / heat.bin) : null };
  };
  surface.addEventListener("pointermove", (event) => page.hover(locate(event).op));
  surface.addEventListener("pointerleave", () => page.hover(null));
  surface.addEventListener("click", (event) => {
    const { op, bin } = locate(event);
    if (bin !== null) page.setTime(bin);
    page.select(op, { reveal: true });
  });
}

/** The line above the panels: what is drawn. */
export function describeProfile(look) {
  const { doc, state } = look;
  if (state.mode === "difference") return describeDifference(look);
  const parts = [];
  const scored = look.shown.map((region) => look.scores.get(region.id)).filter(Boolean);
  const hasInterval = scored.some((scores) => scores.low.some(isKnown));
  const what = look.model.label;
  parts.push(`line${hasInterval ? " and ribbon" : ""}: ${what}${hasInterval && doc.measure.interval ? `, ${doc.measure.interval}` : ""}`);
  if (doc.models.length > 1) {
    const other = doc.models[state.mode === "this" ? state.other : 0];
    parts.push(`dashed: ${other.label}${other.ownGraph || look.model.ownGraph ? ", by relative depth" : ""}`);
  }
  if (state.mode === "this" && look.bestAt.size && look.isBaseTime) {
    parts.push([makeHtml("span", { class: "mark" }, "○"), " best operation on held-out stimuli"]);
  }
  if (look.tiesAt.size && look.isBaseTime) parts.push("ticks below: not distinguishable from best");
  return parts.flatMap((part, i) => [i ? " · " : "", part].flat());
}

/** What the curves of a difference are, and the paired tests of it that are known. */
function describeDifference(look) {
  const { doc, state, shown } = look;
  const other = doc.models[state.other];
  const parts = [`line: ${doc.models[0].label} − ${other.label}, all stimuli`];
  const tests = doc.contrasts.get(other.id);
  for (const region of shown) {
    const text = tests?.get(region.id)?.text;
    if (text) parts.push(`${region.id}, held out: ${text}`);
  }
  if (!tests) parts.push("no paired test of it was given");
  return [parts.join(" · ")];
}
