/** What the graph shows at the moment: scores, their colors and texts, best ops and ties. */
import { pickColor, pickDivergingRamp } from "./colors.js";
import { formatCell, formatInterval, formatScore, isKnown } from "./formats.js";
import {
  findDifferenceEnd, findOpeningTime, findScaleEnd, listChosen, listShown, pickModel, pickScores,
} from "./scores.js";

/** Everything that drawing needs to know of a state; `ramps` are those of scores. */
export function makeLook(doc, state, dark, ramps) {
  const chosen = listChosen(doc, state);
  const shown = listShown(doc, state);
  const signed = state.mode === "difference";
  const end = signed ? findDifferenceEnd(doc, state) : findScaleEnd(doc);
  const ramp = signed ? pickDivergingRamp(dark) : ramps[dark ? "dark" : "light"];
  const scores = new Map();
  for (const region of doc.regions) scores.set(region.id, pickScores(doc, state, region.id));
  const look = {
    doc, state, dark, ramp, end, signed, chosen, shown, scores,
    scoreRamp: ramps[dark ? "dark" : "light"],
    model: pickModel(doc, state),
    isBaseTime: state.time === null || state.time === findOpeningTime(doc),
    one: state.region === "all" ? null : state.region,
    bestAt: indexBest(doc, state, chosen),
    tiesAt: indexTies(doc, state, chosen),
  };
  const parts = [state.region, state.time, state.mode, state.other, dark, state.chosen.join("\n")];
  look.paintVersion = parts.join("|");
  const other = state.mode === "other" ? state.other : null;
  look.cardVersion = [state.mode === "this", other, state.chosen.join("\n")].join("|");
  return look;
}

/** Regions by their best op. */
function indexBest(doc, state, chosen) {
  const index = new Map();
  if (state.mode === "other") return index;
  for (const region of chosen) if (region.best) addTo(index, region.best.op, region);
  return index;
}

/** Regions by the ops that cannot be told apart from their best op. */
function indexTies(doc, state, chosen) {
  const index = new Map();
  if (state.mode !== "this") return index;
  for (const region of chosen) {
    for (const op of doc.models[0].scores.get(region.id)?.ties ?? []) {
      if (op !== region.best?.op) addTo(index, op, region);
    }
  }
  return index;
}

/** Append to the list of a key. */
function addTo(index, key, value) {
  if (!index.has(key)) index.set(key, []);
  index.get(key).push(value);
}

/** Regions that an index names for any of these ops, in the order of the cells. */
function listOf(look, index, ops) {
  if (!index.size) return [];
  const found = new Set();
  for (const op of ops) for (const region of index.get(op) ?? []) found.add(region);
  return look.chosen.filter((region) => found.has(region));
}

/** Regions whose best op is among these. */
export function findBest(look, ops) {
  return listOf(look, look.bestAt, ops);
}

/** Regions for which one of these is tied with the best, and none is the best. */
export function findTies(look, ops) {
  const best = findBest(look, ops);
  return listOf(look, look.tiesAt, ops).filter((region) => !best.includes(region));
}

/** Score of an op; null where there is none. */
export function readScore(look, region, op) {
  const value = look.scores.get(region.id)?.mean[op];
  return isKnown(value) ? value : null;
}

/** Color of a score; null where there is none. */
export function colorScore(look, value) {
  if (value === null) return null;
  return pickColor(look.signed ? (value / look.end + 1) / 2 : value / look.end, look.ramp);
}

/** A score as a cell shows it, with fewer digits where it is long. */
export function writeCell(look, region, op) {
  return writeScore(look, region, op, formatCell);
}

/** A score: in parentheses where q > .05. */
function writeScore(look, region, op, format = formatScore) {
  const value = readScore(look, region, op);
  if (value === null) return "–";
  const sign = look.signed && value > 0 ? "+" : "";
  const q = look.scores.get(region.id).q[op];
  return isKnown(q) && q > 0.05 ? `(${format(value)})` : sign + format(value);
}

/** A score with its interval: ".32 [.08, .56]". */
export function writeWithInterval(look, region, op) {
  const scores = look.scores.get(region.id);
  if (!scores) return "–";
  return `${writeScore(look, region, op)} ${formatInterval(scores.low[op], scores.high[op])}`.trim();
}
