/**
 * Where arrows can run within a column, as neurolens/view/layout/channels.py has it.
 *
 * A corner is {x, y, side}: x a track, or a card with side "axis", "left" or "right"; y a number
 * from the top of the column, or a track.
 */
import { topOf } from "./lanes.js";
import { bisectRight } from "./search.js";
import { requestTrack } from "./tracks.js";
import { bottomOf } from "./tree.js";

export const ROUTE_SIZES = { below: 5, above: 8, aside: 5, clear: 3 };

/** A corner of an arrow whose x is known when everything has its place. */
export function makeCorner(x, y, side = "axis") {
  return { x, y, side };
}

/** X of a corner, when everything has its place. */
export function cornerX(corner) {
  if (corner.x.track) return corner.x.at;
  if (corner.side === "left") return corner.x.x;
  return corner.x.x + (corner.side === "right" ? corner.x.width : corner.x.axis);
}

/** Y of a corner, from the top of the column. */
export function cornerY(corner) {
  return typeof corner.y === "number" ? corner.y : corner.y.at;
}

/** Y of the middle of a card, where arrows arrive at its side. */
export function middleOf(spot) {
  return spot.y + spot.height / 2;
}

/** Note that an arrow runs up or down within the lane of a spot. */
export function noteSpan(spot, low, high) {
  if (spot.lane > 0) spot.parent.spans.push([low, high]);
}

/** Whether the lanes strictly between a spot's own and another are free at a height. */
export function isRowFree(spot, lane, y) {
  const last = Math.max(spot.lane, lane);
  for (let k = Math.min(spot.lane, lane) + 1; k < last; k += 1) {
    const spots = spot.parent.lanes[k];
    const at = bisectRight(spots, y + ROUTE_SIZES.clear, topOf) - 1;
    if (at >= 0 && bottomOf(spots[at]) + ROUTE_SIZES.clear > y) return false;
  }
  return true;
}

/** Whether a line from the right side of a card leaves top, a box around it, at y. */
export function leavesRight(spot, top, y) {
  for (let at = spot; at !== top; at = at.parent) {
    if (!isRowFree(at, at.parent.lanes.length, y)) return false;
  }
  return true;
}

/** As leavesRight for the left side. */
export function leavesLeft(spot, top, y) {
  for (let at = spot; at !== top; at = at.parent) {
    if (!isRowFree(at, -1, y)) return false;
  }
  return true;
}

/** Track of a tail's arrows in the channel to the right of a spot's lane. */
export function askChannel(beside, tail, loop, a, b) {
  return requestTrack(beside.parent.channels[beside.lane], tail.order, loop, a, b);
}

/** Lead from the bottom of a card to the bottom of top, itself or a box around it. */
export function leaveDown(tail, top, loop) {
  const corners = [makeCorner(tail, bottomOf(tail))];
  for (let spot = tail; spot !== top; spot = spot.parent) {
    const lane = spot.parent.lanes[spot.lane];
    if (lane[lane.length - 1] === spot) {
      noteSpan(spot, spot.y, bottomOf(spot.parent));
      continue;
    }
    const y = bottomOf(spot) + ROUTE_SIZES.below;
    const track = askChannel(spot, tail, loop, y, bottomOf(spot.parent));
    corners.push(...turnAt(corners[corners.length - 1], makeCorner(track, y), y));
  }
  return corners;
}

/** Lead from the top of top, a card or a box around it, to a card in it: its top or right side. */
export function enterDown(head, top, loop, tail) {
  let corners = [makeCorner(head, head.y)];
  for (let spot = head; spot !== top; spot = spot.parent) {
    if (spot.parent.lanes[spot.lane][0] === spot) {
      noteSpan(spot, spot.parent.y, bottomOf(spot));
    } else if (spot === head) {
      const y = middleOf(head);
      const track = askChannel(head, tail, loop, head.parent.y, y);
      corners = [makeCorner(track, y), makeCorner(head, y, "right")];
    } else {
      const y = spot.y - ROUTE_SIZES.above;
      const track = askChannel(spot, tail, loop, spot.parent.y, y);
      corners = [...turnAt(makeCorner(track, y), corners[0], y), ...corners];
    }
  }
  return corners;
}

/** Two corners that lead from one vertical line to another at a height. */
export function turnAt(tail, head, y) {
  return [makeCorner(tail.x, y, tail.side), makeCorner(head.x, y, head.side)];
}
