/** Ways of arrows from one column to another, as neurolens/view/layout/wires.py has them. */
import {
  enterDown,
  leaveDown,
  leavesLeft,
  leavesRight,
  makeCorner,
  middleOf,
  ROUTE_SIZES,
} from "./channels.js";
import { assignSlots, requestTrack, TRACKS_APART } from "./tracks.js";

export const WIRE_SIZES = {
  gutter: 20,
  wire: 8,
  wireStart: 11,
  bandStart: 11,
  belowStart: 9,
  band: 6,
  outside: 10,
};

/** Tracks between columns, none yet: a gutter right of each, a band below each, one above all. */
export function buildWays(nColumns) {
  const makeTracks = () => Array.from({ length: nColumns }, () => new Map());
  return {
    gutters: makeTracks(),
    below: makeTracks(),
    above: new Map(),
    nAbove: 0,
    nBelow: [],
    nGutter: [],
  };
}

/** Corners of an arrow between two columns, asking for tracks. */
export function routeWire(link, roots, ways) {
  const { tail, head } = link;
  const loop = head.column < tail.column;
  const source = tail.column;
  const gutter = ways.gutters[source];
  const leaving = leaveColumn(tail, roots[source], ways);
  const outY = leaving[leaving.length - 1].y;
  const leave = typeof outY === "number" ? outY : roots[source].height + WIRE_SIZES.outside;
  const { entering, via } = enterColumn(link, roots[head.column], loop);
  const enter = middleOf(head);
  if (via === source) {
    const track = requestTrack(gutter, tail.order, loop, leave, enter);
    return [...leaving, makeCorner(track, outY), makeCorner(track, enter), ...entering];
  }
  const first = requestTrack(gutter, tail.order, loop, leave, -WIRE_SIZES.outside);
  const where = via === null ? head.column : via + 0.5;
  const band = requestTrack(ways.above, tail.order, loop, source + 0.5, where);
  const corners = [...leaving, makeCorner(first, outY), makeCorner(first, band)];
  if (via === null) {
    return [...corners, makeCorner(entering[0].x, band, entering[0].side), ...entering];
  }
  const second = requestTrack(ways.gutters[via], tail.order, loop, -WIRE_SIZES.outside, enter);
  return [...corners, makeCorner(second, band), makeCorner(second, enter), ...entering];
}

/** Lead out of a column; the last corner has the height at which the gutter is reached. */
function leaveColumn(tail, root, ways) {
  const side = middleOf(tail) + ROUTE_SIZES.aside;
  if (!isOutermost(tail, false) && leavesRight(tail, root, side)) {
    return [makeCorner(tail, side, "right")];
  }
  const corners = leaveDown(tail, root, false);
  const below = ways.below[root.column];
  const track = requestTrack(below, tail.order, false, rootLaneOf(tail), 2 * root.lanes.length);
  const last = corners[corners.length - 1];
  return [...corners, makeCorner(last.x, track, last.side)];
}

/** Lead into a column, and the gutter from which; null for the band above. */
function enterColumn(link, root, loop) {
  const head = link.head;
  const middle = middleOf(head);
  if (loop && leavesRight(head, root, middle)) {
    return { entering: [makeCorner(head, middle, "right")], via: root.column };
  }
  if (!loop && !isOutermost(head, true) && leavesLeft(head, root, middle)) {
    return { entering: [makeCorner(head, middle, "left")], via: root.column - 1 };
  }
  return { entering: enterDown(head, root, loop, link.tail), via: null };
}

/** Whether nothing stands above (or below) a card in the lanes around it. */
function isOutermost(card, above) {
  for (let spot = card; spot.parent; spot = spot.parent) {
    const lane = spot.parent.lanes[spot.lane];
    if (lane[above ? 0 : lane.length - 1] !== spot) return false;
  }
  return true;
}

function rootLaneOf(card) {
  let spot = card;
  while (spot.parent.kind !== "root") spot = spot.parent;
  return spot.lane;
}

/** Number the wires that run in parallel. */
export function assignWays(ways) {
  ways.nAbove = assignSlots(ways.above.values(), 0.1).length;
  ways.nBelow = ways.below.map((tracks) => assignSlots(tracks.values(), 0).length);
  ways.nGutter = ways.gutters.map((tracks) => assignSlots(tracks.values(), TRACKS_APART).length);
}

/** Set where all wires run; the left of each column and the right of the last gutter. */
export function placeWays(ways, roots, left) {
  for (const track of ways.above.values()) {
    track.at = -(WIRE_SIZES.bandStart + track.slot * WIRE_SIZES.band);
  }
  const edges = [];
  let x = left;
  roots.forEach((root, k) => {
    edges.push(x);
    x += root.width;
    for (const track of ways.gutters[k].values()) {
      track.at = x + WIRE_SIZES.wireStart + track.slot * WIRE_SIZES.wire;
    }
    for (const track of ways.below[k].values()) {
      track.at = root.height + WIRE_SIZES.belowStart + track.slot * WIRE_SIZES.band;
    }
    const n = ways.nGutter[k];
    if (k < roots.length - 1) x += WIRE_SIZES.gutter + Math.max(1, n) * WIRE_SIZES.wire;
    else if (n) x += WIRE_SIZES.wireStart + n * WIRE_SIZES.wire;
  });
  edges.push(x);
  return edges;
}
