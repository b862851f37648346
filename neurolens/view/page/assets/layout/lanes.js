/**
 * Lanes of a box, as neurolens/view/layout/lanes.py has them: the longest path straight down, what
 * runs beside it in lanes of its own. Widths come later (widths.js).
 */
import { bisectLeft } from "./search.js";
import { bottomOf } from "./tree.js";

export const LANE_SIZES = {
  gap: 13,
  laneGap: 10,
  rail: 9,
  railStart: 7,
  railEnd: 4,
  top: 24,
  side: 8,
  titleEnds: 18,
  maxLanes: 6,
};

/** Y of the top of a spot: the key by which lanes are sorted. */
export function topOf(spot) {
  return spot.y;
}

/** Set heights and y of everything, and lanes. */
export function placeRows(tree) {
  for (let i = tree.spots.length - 1; i >= 0; i -= 1) {
    const spot = tree.spots[i];
    if (spot.kind !== "box") continue;
    spot.height = placeChildren(spot) + LANE_SIZES.top + LANE_SIZES.side;
  }
  for (const root of tree.roots) root.height = placeChildren(root);
  for (const spot of tree.spots) {
    if (spot.parent.kind === "box") spot.y += spot.parent.y + LANE_SIZES.top;
  }
}

/** Place the children of a box in lanes, from y = 0; the height they take. */
function placeChildren(box) {
  const spine = findSpine(box.children);
  const lanes = [[]];
  for (const spot of box.children) {
    spot.y = 0;
    for (const source of spot.sources) {
      spot.y = Math.max(spot.y, bottomOf(source) + LANE_SIZES.gap);
    }
    if (spine.has(spot.position)) {
      const last = lanes[0][lanes[0].length - 1];
      if (last) spot.y = Math.max(spot.y, bottomOf(last) + LANE_SIZES.gap);
      spot.lane = 0;
    } else chooseLane(spot, lanes, spine);
    insertIntoLane(spot, lanes);
  }
  for (const spot of box.children) {
    if (!spine.has(spot.position) && !spot.fed && spot.readers.length) lowerSpot(spot, lanes);
  }
  box.lanes = lanes;
  box.channels = lanes.map(() => new Map());
  return box.children.reduce((height, spot) => Math.max(height, bottomOf(spot)), 0);
}

/** Positions of the children on the path with most nodes; the first of equal ones. */
function findSpine(children) {
  const far = [];
  const came = [];
  let tip = -1;
  children.forEach((spot, i) => {
    let best = 0;
    let source = -1;
    for (const each of spot.sources.map((s) => s.position).sort((a, b) => a - b)) {
      if (far[each] > best) {
        best = far[each];
        source = each;
      }
    }
    far.push(best + spot.weight);
    came.push(source);
    if (tip < 0 || far[i] > far[tip]) tip = i;
  });
  const spine = new Set();
  for (let at = tip; at >= 0; at = came[at]) spine.add(at);
  return spine;
}

/**
 * Choose the lane of a source, else the first free one where nothing is in the way of readers to
 * come, else the first free one, else the one that becomes free first.
 */
function chooseLane(spot, lanes, spine) {
  for (const source of spot.sources) {
    if (source.lane > 0 && isLaneFreeFor(spot, source.lane, lanes, spot.y)) {
      spot.lane = source.lane;
      return;
    }
  }
  let free = 0;
  const goesOn = isContinued(spot, spot.position, spine);
  for (let lane = 1; lane < LANE_SIZES.maxLanes; lane += 1) {
    if (lane === lanes.length) lanes.push([]);
    if (!isLaneFreeFor(spot, lane, lanes, spot.y)) continue;
    if (suitsLane(spot, lanes[lane], goesOn, spine)) {
      spot.lane = lane;
      return;
    }
    free = free || lane;
  }
  if (free) {
    spot.lane = free;
    return;
  }
  const ends = lanes.slice(1).map((lane) => bottomOf(lane[lane.length - 1]));
  const least = Math.min(...ends);
  spot.lane = 1 + ends.indexOf(least);
  spot.y = Math.max(spot.y, least + LANE_SIZES.gap);
}

/** Whether neither a spot nor the lane's last card would be in the way of what follows. */
function suitsLane(spot, lane, goesOn, spine) {
  if (!lane.length) return true;
  const last = lane[lane.length - 1];
  if (isContinued(last, spot.position, spine)) return false;
  return !goesOn || last.y < spot.y;
}

/** Whether a reader of the last card of a lane, beside the spine, is still to be placed. */
function isContinued(last, position, spine) {
  return last.readers.some((r) => r.position > position && !spine.has(r.position));
}

/** Whether a spot fits into a lane at y, with gaps above and below. */
function isLaneFreeFor(spot, lane, lanes, y) {
  const spots = lanes[lane];
  const at = bisectLeft(spots, y, topOf);
  let before = spots[at - 1];
  const after = spots[at];
  if (before === spot) before = spots[at - 2];
  if (before && bottomOf(before) + LANE_SIZES.gap > y) return false;
  return !after || after === spot || after.y >= y + spot.height + LANE_SIZES.gap;
}

function insertIntoLane(spot, lanes) {
  const spots = lanes[spot.lane];
  spots.splice(bisectLeft(spots, spot.y, topOf), 0, spot);
}

/** Move what is made without input down to just above its first reader, where it fits. */
function lowerSpot(spot, lanes) {
  const reader = spot.readers.reduce((least, each) => Math.min(least, each.y), Infinity);
  const y = reader - LANE_SIZES.gap - spot.height;
  if (y <= spot.y || !isLaneFreeFor(spot, spot.lane, lanes, y)) return;
  lanes[spot.lane].splice(bisectLeft(lanes[spot.lane], spot.y, topOf), 1);
  spot.y = y;
  insertIntoLane(spot, lanes);
}
