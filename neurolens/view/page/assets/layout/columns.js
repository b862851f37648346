/**
 * Which column each node stands in, as neurolens/view/layout/columns.py has it: the number of
 * columns that shows the graph largest.
 */
import { LANE_SIZES, placeRows } from "./lanes.js";
import { bisectRight } from "./search.js";
import { bottomOf, buildTree } from "./tree.js";
import { placeLanes } from "./widths.js";

export const COLUMN_RULES = {
  moreColumns: 1.02,
  betweenColumns: 28,
  around: 16,
  aroundHeight: 48,
  taller: 12,
  splitModule: 120,
  cutArrow: 6,
  mostCut: 12,
  lessClear: 0.005,
  slack: 0.75,
  holding: 1.05,
  alone: 1.7,
  looped: 4,
  tooTall: 1.3,
  tries: 16,
};

const sameNumber = (value) => value;

/** Column of each node. */
export function chooseColumns(plan, frame) {
  return spreadColumns(plan, chooseCut(plan, frame));
}

/** Where to cut so that the graph is about as large as it can be in a frame. */
function chooseCut(plan, frame) {
  const whole = layOutWhole(plan);
  let best = null;
  let nColumns = 1;
  for (;;) {
    const cut = cutInto(whole, frame, nColumns);
    if (!cut) break;
    if (!best || cut.zoom > best.zoom * COLUMN_RULES.moreColumns) best = cut;
    if (frame.single || cut.zoom < best.zoom / 2) break;
    nColumns += nColumns < COLUMN_RULES.tries ? 1 : nColumns >> 3;
  }
  return best || { units: [], ends: [0], starts: [0], zoom: 0 };
}

function spreadColumns(plan, cut) {
  const columns = new Array(plan.nodes.length).fill(0);
  const firsts = cut.starts.slice(1).map((start) => cut.units[start].first);
  firsts.forEach((first, k) => {
    columns.fill(k + 1, first, k + 1 < firsts.length ? firsts[k + 1] : plan.nodes.length);
  });
  return columns;
}

/** Place everything in one column, without arrows; count those that pass each node. */
function layOutWhole(plan) {
  const nNodes = plan.nodes.length;
  const tree = buildTree(plan, new Array(nNodes).fill(0));
  placeRows(tree);
  placeLanes(tree, plan);
  const last = new Array(nNodes).fill(-1);
  for (const [tail, head] of plan.edges) last[tail] = Math.max(last[tail], head);
  const passing = new Array(nNodes + 1).fill(0);
  last.forEach((head, tail) => {
    if (head <= tail) return;
    passing[tail + 1] += 1;
    passing[head + 1] -= 1;
  });
  for (let node = 1; node < passing.length; node += 1) passing[node] += passing[node - 1];
  return { root: tree.roots[0], passing };
}

/** Cut into a number of columns; null if there is not that much to cut. */
function cutInto(whole, frame, nColumns) {
  const units = listUnits(whole.root, whole.root.height / nColumns, frame);
  if (nColumns > units.length) return null;
  const ends = [0];
  for (const unit of units) ends.push(Math.max(ends[ends.length - 1], bottomOf(unit)));
  const starts = chooseStarts(units, ends, whole.passing, nColumns);
  const cut = { units, ends, starts, zoom: 0 };
  let crossing = 0;
  for (const start of starts.slice(1)) {
    crossing += countCrossing(whole.passing, units[start]) ** 2;
  }
  cut.zoom = estimateZoom(cut, frame) / (1 + COLUMN_RULES.lessClear * crossing);
  return cut;
}

/** Cards and boxes that are not cut, in order, for columns of a height. */
function listUnits(root, target, frame) {
  const units = [];
  const waiting = [...root.children].reverse();
  while (waiting.length) {
    const spot = waiting.pop();
    if (spot.kind === "box" && isCut(spot, target, frame)) {
      for (let i = spot.children.length - 1; i >= 0; i -= 1) waiting.push(spot.children[i]);
    } else units.push(spot);
  }
  return units;
}

/** Whether a box may stand in several columns: it holds modules, or is far too tall. */
function isCut(box, target, frame) {
  if (box.children.some((child) => child.kind !== "node")) {
    return box.height > COLUMN_RULES.holding * target;
  }
  const much = box.loops ? COLUMN_RULES.looped : COLUMN_RULES.alone;
  return box.height > Math.max(much * target, COLUMN_RULES.tooTall * frame.height);
}

/** First unit of each column: the tallest column is about as low as it can be. */
function chooseStarts(units, ends, passing, nColumns) {
  const limit = findLimit(ends, nColumns) + COLUMN_RULES.taller;
  const needed = countNeeded(ends, limit);
  const penalties = units.map((_, j) => rateCut(units, passing, j));
  const starts = [0];
  for (let rest = nColumns - 1; rest > 0; rest -= 1) {
    const start = starts[starts.length - 1];
    let reach = bisectRight(ends, ends[start] + limit, sameNumber) - 1;
    reach = Math.max(start + 1, Math.min(reach, units.length - rest));
    let best = reach;
    for (let j = reach - 1; j > start && needed[j] <= rest; j -= 1) {
      if (ends[j] - ends[start] < COLUMN_RULES.slack * limit) break;
      if (ends[j] - penalties[j] > ends[best] - penalties[best]) best = j;
    }
    starts.push(best);
  }
  return starts;
}

/** By how much taller a column may be to avoid a cut before unit j. */
function rateCut(units, passing, j) {
  if (j === 0) return 0;
  const outer = units[j].parent;
  const within = outer === units[j - 1].parent && outer.kind === "box";
  const arrows = countCrossing(passing, units[j]);
  return (within ? COLUMN_RULES.splitModule : 0) + arrows * COLUMN_RULES.cutArrow;
}

/** How many arrows cross a cut before a unit, beyond the first and up to a limit. */
function countCrossing(passing, unit) {
  return Math.min(Math.max(passing[unit.first] - 1, 0), COLUMN_RULES.mostCut);
}

/** Least height of the tallest of so many columns, to half a pixel. */
function findLimit(ends, nColumns) {
  let high = ends[ends.length - 1];
  let low = high / nColumns;
  while (high - low > 0.5) {
    const middle = (low + high) / 2;
    if (fitsColumns(ends, middle, nColumns)) high = middle;
    else low = middle;
  }
  return high;
}

function fitsColumns(ends, limit, nColumns) {
  let start = 0;
  for (let k = 0; k < nColumns; k += 1) {
    const reach = bisectRight(ends, ends[start] + limit, sameNumber) - 1;
    if (reach === ends.length - 1) return true;
    if (reach === start) return false;
    start = reach;
  }
  return false;
}

/** How many columns the units from each one on need. */
function countNeeded(ends, limit) {
  const nUnits = ends.length - 1;
  const needed = new Array(nUnits + 1).fill(0);
  for (let j = nUnits - 1; j >= 0; j -= 1) {
    const reach = Math.max(j + 1, bisectRight(ends, ends[j] + limit, sameNumber) - 1);
    needed[j] = 1 + needed[reach];
  }
  return needed;
}

/** About how large the graph can be shown in a frame. */
function estimateZoom(cut, frame) {
  let width = COLUMN_RULES.around + (cut.starts.length - 1) * COLUMN_RULES.betweenColumns;
  let height = 0;
  cut.starts.forEach((start, k) => {
    const end = k + 1 < cut.starts.length ? cut.starts[k + 1] : cut.units.length;
    let depth = 0;
    let left = Infinity;
    let right = 0;
    for (const unit of cut.units.slice(start, end)) {
      depth = Math.max(depth, unit.depth - 1);
      left = Math.min(left, unit.x);
      right = Math.max(right, unit.x + unit.width);
    }
    width += right - left + 2 * LANE_SIZES.side * depth;
    const tall = cut.ends[end] - cut.ends[start] + (LANE_SIZES.top + LANE_SIZES.side) * depth;
    height = Math.max(height, tall);
  });
  return Math.min(frame.width / width, frame.height / (height + COLUMN_RULES.aroundHeight));
}
