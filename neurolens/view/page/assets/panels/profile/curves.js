/** One panel of the profile: curve, ribbon, ceiling, random weights, best op, ties. */
import { makeSvg } from "../../core/dom.js";
import { formatScore, isKnown, round } from "../../core/formats.js";
import { listTicks, pickCeiling } from "../../core/scores.js";
import { measureText, shortenText } from "../../layout/text.js";

/** Scales of a panel: from an op to x, from a score to y. */
export function scalePanel(panel, range, n) {
  const last = Math.max(1, n - 1);
  return {
    x: (op, of = last) => panel.x + (of ? op / of : 0) * panel.width,
    y: (value) => {
      const share = (Math.min(range.high, Math.max(range.low, value)) - range.low) / (range.high - range.low);
      return panel.y + panel.height - share * panel.height;
    },
  };
}

/** Name, grid, modules and noise ceiling of a panel. */
export function drawGround(look, panel, range, scales, bands, group) {
  const { region, x, y, width, height } = panel;
  const k = look.doc.regionIndex.get(region.id);
  const id = shortenText(region.id, width, 12, true);
  makeSvg("text", { x: round(x), y: y - 7, class: `panel-name strong region-${k}` }, group, id);
  if (region.name.toLowerCase() !== region.id.toLowerCase()) {
    const start = measureText(id, 12, true) + 8;
    const name = shortenText(region.name, width - start, 11);
    makeSvg("text", { x: round(x + start), y: y - 7, class: "key" }, group, name);
  }
  drawGrid(look, panel, range, scales, group);
  drawBands(panel, scales, bands, group);
  if (!look.signed) drawCeiling(look, panel, scales, group);
}

/** Lines and numbers of the y axis. */
function drawGrid(look, panel, range, scales, group) {
  const { x, width } = panel;
  const { ticks, digits } = listTicks(range.high, 4);
  const step = ticks[1] ?? range.high;
  const below = [];
  for (let value = -step; value >= range.low - 1e-9; value -= step) below.push(value);
  for (const value of [...below, ...ticks]) {
    const line = `M${round(x)} ${round(scales.y(value))}H${round(x + width)}`;
    makeSvg("path", { d: line, class: value === 0 ? "axis" : "grid" }, group);
    if (!panel.isFirst) continue;
    const text = value === 0 ? "0" : formatScore(value, digits);
    const place = { x: round(x - 7), y: round(scales.y(value) + 4), "text-anchor": "end", class: "key" };
    makeSvg("text", place, group, text);
  }
}

/** Modules under the axis. */
function drawBands(panel, scales, bands, group) {
  const { y, height, heat } = panel;
  const bottom = y + height + (heat ? heat + 8 : 0);
  bands.forEach((band, i) => {
    const left = Math.max(panel.x, scales.x(band.from - 0.5));
    const right = Math.min(panel.x + panel.width, scales.x(band.to + 0.5));
    if (i) makeSvg("path", { d: `M${round(left)} ${y}V${y + height}`, class: "band" }, group);
    const width = measureText(band.title, 11);
    if (width > right - left - 4) return;
    const place = { x: round((left + right - width) / 2), y: bottom + 18, class: "key" };
    makeSvg("text", place, group, band.title);
  });
}

/** The band between the bounds of the noise ceiling; the lower bound alone is a line. */
function drawCeiling(look, panel, scales, group) {
  const { region, x, y, width } = panel;
  const ceiling = pickCeiling(look.state, region);
  const end = { x: round(x + width - 5), "text-anchor": "end", class: "key" };
  if (!ceiling) {
    makeSvg("text", { ...end, y: y + 11 }, group, region.ceilingNote ? shortenText(region.ceilingNote, width - 10, 11) : "no noise ceiling");
    return;
  }
  const [low, high] = ceiling;
  if (isKnown(low) && isKnown(high)) {
    const top = scales.y(high);
    const tall = scales.y(low) - top;
    makeSvg("rect", { x: round(x), y: round(top), width: round(width), height: round(tall), class: "ceiling" }, group);
    makeSvg("text", { ...end, y: round(tall > 17 ? top + 13 : Math.max(y + 9, top - 4)) }, group, "noise ceiling");
    return;
  }
  const level = scales.y(isKnown(low) ? low : high);
  makeSvg("path", { d: `M${round(x)} ${round(level)}H${round(x + width)}`, class: "ceiling-line" }, group);
  const bound = isKnown(low) ? "lower noise ceiling" : "upper noise ceiling";
  makeSvg("text", { ...end, y: round(Math.max(y + 9, level - 4)) }, group, bound);
}

/** A curve along ops, broken where scores are missing; single points get a dot's width. */
export function writeCurve(values, scales) {
  const last = Math.max(1, values.length - 1);
  let path = "";
  let isDown = false;
  values.forEach((value, op) => {
    if (!isKnown(value)) {
      isDown = false;
      return;
    }
    path += `${isDown ? "L" : "M"}${round(scales.x(op, last))} ${round(scales.y(value))}`;
    if (!isDown && !isKnown(values[op + 1])) path += "h.1";
    isDown = true;
  });
  return path;
}

/** Ribbon of the interval, one piece per stretch of known ends. */
export function writeRibbon(low, high, scales) {
  const pieces = [];
  let piece = [];
  for (let op = 0; op <= low.length; op += 1) {
    if (isKnown(low[op]) && isKnown(high[op])) piece.push(op);
    else if (piece.length) {
      pieces.push(piece);
      piece = [];
    }
  }
  const point = (op, value) => `${round(scales.x(op))} ${round(scales.y(value))}`;
  return pieces
    .map((ops) => {
      const above = ops.map((op) => point(op, high[op])).join("L");
      const below = [...ops].reverse().map((op) => point(op, low[op])).join("L");
      return `M${above}L${below}z`;
    })
    .join("");
}

/** Curves of a panel: the shown scores, and the other model dashed. */
export function drawCurves(look, panel, scales, scores, other, group) {
  const k = look.doc.regionIndex.get(panel.region.id);
  makeSvg("path", { d: writeRibbon(scores.low, scores.high, scales), class: `ribbon fill-${k}` }, group);
  if (other) makeSvg("path", { d: writeCurve(other.mean, scales), class: "control" }, group);
  makeSvg("path", { d: writeCurve(scores.mean, scales), class: `curve stroke-${k}` }, group);
  for (const op of look.state.mode === "this" ? scores.ties : []) {
    const x = round(scales.x(op));
    makeSvg("path", { d: `M${x} ${panel.y + panel.height + 1}v4`, class: `tie stroke-${k}` }, group);
  }
  const { best } = panel.region;
  if (look.state.mode !== "this" || !best || !look.isBaseTime) return;
  const x = round(scales.x(best.op));
  if (isKnown(best.low) && isKnown(best.high)) {
    const line = `M${x} ${round(scales.y(best.low))}V${round(scales.y(best.high))}`;
    makeSvg("path", { d: line, class: `whisker stroke-${k}` }, group);
  }
  if (isKnown(best.heldout)) {
    makeSvg("circle", { cx: x, cy: round(scales.y(best.heldout)), r: 4, class: `dot stroke-${k}` }, group);
  }
}
