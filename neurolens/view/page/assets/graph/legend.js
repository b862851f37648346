/** The scale of scores with the ceilings of the regions marked on it. */
import { pickColor } from "../core/colors.js";
import { makeSvg } from "../core/dom.js";
import { formatScore, isKnown, round } from "../core/formats.js";
import { listTicks, pickCeiling } from "../core/scores.js";
import { measureText } from "../layout/text.js";

const WIDTH = 250;
const TOP = 17;
const BAR = 11;
const N_STEPS = 50;
const MOST_NAMES = 6; // more ceilings are marked by their color alone

/** Draw the scale into a group, up to `room` wide; return its width, 0 without scores. */
export function drawLegend(look, group, room = Infinity) {
  group.replaceChildren();
  if (!look.shown.length) return 0;
  for (let i = 0; i < N_STEPS; i += 1) {
    const fill = pickColor((i + 0.5) / N_STEPS, look.ramp);
    const place = { x: round(2 + (i * WIDTH) / N_STEPS), y: TOP, width: round(WIDTH / N_STEPS + 0.4) };
    makeSvg("rect", { ...place, height: BAR, style: `fill:${fill}` }, group);
  }
  const title = nameScale(look);
  makeSvg("text", { x: 2, y: 11, class: "key strong" }, group, title);
  drawTicks(look, group);
  const after = 2 + measureText(title, 11, true) + 12;
  return Math.max(WIDTH + 24, look.signed ? after : drawCeilings(look, group, after, room));
}

/** What the colors are. */
function nameScale(look) {
  const { doc, state } = look;
  const measure = doc.measure.name;
  if (!look.signed) return measure;
  return `${measure}: ${doc.models[0].label} − ${doc.models[state.other].label}`;
}

/** Numbers under the scale. */
function drawTicks(look, group) {
  const { ticks, digits } = listTicks(look.end, look.signed ? 3 : 6);
  const values = look.signed ? [...ticks.slice(1).map((v) => -v).reverse(), ...ticks] : ticks;
  for (const value of values) {
    const share = look.signed ? (value / look.end + 1) / 2 : value / look.end;
    const x = 2 + share * WIDTH;
    let text = value === 0 ? (look.signed ? "0" : "≤ 0") : formatScore(value, digits);
    if (look.signed && value > 0) text = "+" + text;
    const width = measureText(text, 11);
    const start = value === 0 && !look.signed ? x : x - width / 2;
    makeSvg("path", { d: `M${round(x)} ${TOP + BAR}v3`, class: "axis" }, group);
    makeSvg("text", { x: round(start), y: TOP + 24, class: "key" }, group, text);
  }
}

/** Marks of the lower noise ceilings, each with its region; returns where they end. */
function drawCeilings(look, group, start, room) {
  const marks = look.shown
    .map((region) => ({ region, low: pickCeiling(look.state, region)?.[0] }))
    .filter(({ low }) => isKnown(low))
    .map(({ region, low }) => ({ region, x: 2 + Math.min(1, Math.max(0, low / look.end)) * WIDTH }))
    .sort((a, b) => a.x - b.x);
  if (!marks.length) return start;
  let right = start;
  for (const { region, x } of marks) {
    const k = look.doc.regionIndex.get(region.id);
    makeSvg("path", { d: `M${round(x)} ${TOP - 3}v16`, class: `ceil-mark stroke-${k}` }, group);
    if (marks.length > MOST_NAMES) continue;
    const width = measureText(region.id, 11, true);
    const left = Math.max(right, x - width / 2);
    makeSvg("text", { x: round(left), y: 11, class: `key strong region-${k}` }, group, region.id);
    right = left + width + 5;
  }
  const text = marks.length > 1 ? "lower noise ceilings" : "lower noise ceiling";
  const end = right + 8 + measureText(text, 11);
  if (end > room) return right;
  makeSvg("text", { x: round(right + 2), y: 11, class: "key" }, group, text);
  return end;
}
