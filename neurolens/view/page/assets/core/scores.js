/** What is shown of the scores: of which model, at which time, for which regions, on which scale. */
import { isKnown } from "./formats.js";

/** Scores of a region as the state asks for them, one value or null per op of the graph shown. */
export function pickScores(doc, state, region) {
  const own = doc.models[0].scores.get(region);
  if (state.mode === "this") return pickTime(own, state.time);
  const other = doc.models[state.other].scores.get(region);
  if (state.mode === "other") return pickTime(other, state.time);
  return subtractScores(pickTime(own, state.time), pickTime(other, state.time));
}

/** Scores of one time bin; of all the time for null. */
function pickTime(scores, time) {
  if (!scores || isBaseTime(scores, time)) return scores ?? null;
  const { times } = scores;
  const none = scores.mean.map(() => null);
  return {
    ...scores,
    mean: times.mean[time] ?? none,
    low: times.low?.[time] ?? none,
    high: times.high?.[time] ?? none,
    q: times.q?.[time] ?? none,
    hasQ: Boolean(times.q),
    ties: [],
    subjects: null,
  };
}

/** Whether scores outside their time bins are those of this time: of all times, or of one bin. */
function isBaseTime(scores, time) {
  return time === null || !scores.times || scores.times.shown === time;
}

/** The time in which a page opens: the bin that its best ops are of, else all. */
export function findOpeningTime(doc) {
  for (const scores of doc.models[0].scores.values()) {
    if (scores.times) return scores.times.shown ?? null;
  }
  return null;
}

/** Noise ceiling of a region at the time shown; null where there is none. */
export function pickCeiling(state, region) {
  const bounds = state.time === null ? null : region.ceilings?.[state.time];
  if (!bounds) return region.ceiling;
  return bounds.some(isKnown) ? bounds : null;
}

/** First minus second; nothing is known of the interval of a difference of two shown scores. */
function subtractScores(own, other) {
  if (!own || !other) return null;
  const mean = own.mean.map((value, i) =>
    isKnown(value) && isKnown(other.mean[i]) ? value - other.mean[i] : null,
  );
  const none = mean.map(() => null);
  return { mean, low: none, high: none, q: none, p: none, hasQ: false, ties: [], subjects: null };
}

/** The model whose graph and scores are on screen. */
export function pickModel(doc, state) {
  return state.mode === "other" ? doc.models[state.other] : doc.models[0];
}

/** Whether the second model can be subtracted: only ops of one graph can. */
export function canSubtract(doc, other) {
  return doc.models.length > 1 && !doc.models[other].ownGraph;
}

/** Regions with cells: the chosen ones. */
export function listChosen(doc, state) {
  return doc.regions.filter((region) => state.chosen.includes(region.id));
}

/** Regions that are colored: all the chosen ones, or the one by which the graph is colored. */
export function listShown(doc, state) {
  const chosen = listChosen(doc, state);
  return state.region === "all" ? chosen : doc.regions.filter((r) => r.id === state.region);
}

/** Chosen regions whose best op is among `ops`; they are known of the first model only. */
export function listBest(doc, state, ops) {
  if (state.mode === "other") return [];
  return listChosen(doc, state).filter((region) => region.best && ops.includes(region.best.op));
}

/** Chosen regions for which one of `ops` cannot be told apart from the best. */
export function listTied(doc, state, ops) {
  if (state.mode !== "this") return [];
  return listChosen(doc, state).filter((region) => {
    const ties = doc.models[0].scores.get(region.id)?.ties ?? [];
    return !(region.best && ops.includes(region.best.op)) && ops.some((op) => ties.includes(op));
  });
}

/** Labels of the time bins, [] where scores have none. */
export function listTimes(doc) {
  for (const scores of doc.models[0].scores.values()) if (scores.times) return scores.times.labels;
  return [];
}

/** Upper end of the scale of scores: one for all regions, models and times. */
export function findScaleEnd(doc) {
  let end = 0;
  for (const model of doc.models) {
    for (const scores of model.scores.values()) {
      for (const values of [scores.mean, ...(scores.times?.mean ?? [])]) end = findLargest(values, end);
    }
  }
  for (const region of doc.regions) end = findLargest([region.ceiling?.[0]], end);
  return roundUp(end, 0.05);
}

/** Upper end of the scale of differences; the lower end is its negative. */
export function findDifferenceEnd(doc, state) {
  let end = 0;
  for (const region of doc.regions) {
    const scores = pickScores(doc, { ...state, mode: "difference" }, region.id);
    if (scores) end = findLargest(scores.mean.map((v) => (isKnown(v) ? Math.abs(v) : v)), end);
  }
  return roundUp(end, 0.05);
}

/** The largest known value, at least `end`. */
export function findLargest(values, end) {
  let largest = end;
  for (const value of values) if (isKnown(value) && value > largest) largest = value;
  return largest;
}

/** The next multiple of a step, at least one step. */
export function roundUp(value, step) {
  return Math.max(step, Math.ceil(value / step - 1e-9) * step);
}

/** Steps of an axis from 0 to `end` in round numbers, at most `most` of them. */
export function listTicks(end, most = 6) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
  const step = steps.find((size) => end / size <= most) ?? end;
  const ticks = [];
  for (let i = 0; i * step <= end + 1e-9; i += 1) ticks.push(i * step);
  return { ticks, digits: step < 0.1 ? 2 : step < 1 ? 1 : 0 };
}
