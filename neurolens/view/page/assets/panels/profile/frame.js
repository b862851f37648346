/** Where the panels of the profile stand, and the scales they share. */
import { isKnown } from "../../core/formats.js";
import { findLargest, listTimes, pickCeiling, roundUp } from "../../core/scores.js";

const HEIGHT = 90;
const TOP = 20;
const BELOW = 28;
const GAP = 22;
const LEAD = 36;
const N_ACROSS = 4;
const NARROW = 700;
const BIN = 5; // height of a time bin in the heat strip

/** Panels of `regions` in a width: [{region, x, y, width, height, heat}] and the size of the whole. */
export function arrangePanels(look, regions, width) {
  const nTimes = look.state.mode === "difference" ? 0 : listTimes(look.doc).length;
  const heat = nTimes ? Math.max(24, Math.min(80, nTimes * BIN)) : 0;
  const across = width < NARROW ? 1 : Math.max(1, Math.min(regions.length, N_ACROSS));
  const panelWidth = Math.max(60, (width - LEAD - GAP * (across - 1) - 8) / across);
  const rowHeight = HEIGHT + TOP + BELOW + (heat ? heat + 8 : 0);
  const panels = regions.map((region, i) => ({
    region,
    isFirst: i % across === 0,
    x: LEAD + (i % across) * (panelWidth + GAP),
    y: TOP + Math.floor(i / across) * rowHeight,
    width: panelWidth,
    height: HEIGHT,
    heat,
  }));
  return { panels, width, height: rowHeight * Math.ceil(regions.length / across), nTimes };
}

/** One y axis for all panels: of every known score, interval and ceiling. */
export function findRange(look, series) {
  let high = 0;
  let low = 0;
  const take = (values) => {
    high = findLargest(values, high);
    low = -findLargest(values.map((value) => (isKnown(value) ? -value : value)), -low);
  };
  for (const scores of series) for (const name of ["mean", "low", "high"]) take(scores[name]);
  if (!look.signed) {
    for (const region of look.doc.regions) take(pickCeiling(look.state, region) ?? []);
    for (const { best } of look.doc.regions) take([best?.heldout, best?.low, best?.high]);
  }
  return { low: low < 0 ? -roundUp(-low, 0.05) : 0, high: roundUp(high, 0.1) };
}

/** Outermost modules of which there are more than two, as stretches of ops with titles. */
export function listBands(view) {
  const outer = view.runs.filter((run) => run.depth === 0);
  const inner = outer.flatMap((run) => {
    const within = view.runs.filter((other) => other.parent === run.index);
    return within.length ? within : [run];
  });
  const runs = outer.length > 2 ? outer : inner;
  return runs
    .filter((run) => run.ops.length)
    .map((run) => ({ title: run.title, from: Math.min(...run.ops), to: Math.max(...run.ops) }));
}
