/**
 * Ways of arrows within a column, as neurolens/view/layout/routes.py has them: straight, over an
 * elbow, along channels, or around as a loop.
 */
import {
  askChannel,
  enterDown,
  isRowFree,
  leaveDown,
  leavesRight,
  makeCorner,
  middleOf,
  noteSpan,
  ROUTE_SIZES,
  turnAt,
} from "./channels.js";
import { LANE_SIZES, topOf } from "./lanes.js";
import { bisectRight } from "./search.js";
import { requestTrack } from "./tracks.js";
import { bottomOf } from "./tree.js";

/** Corners of an arrow between two cards of one column, asking for tracks. */
export function routeInside(link) {
  if (link.tail === link.head) return routeSelf(link.tail);
  return link.start.position < link.end.position ? routeDown(link) : routeBack(link);
}

/** A loop from a card to itself, beside it. */
function routeSelf(spot) {
  const leave = middleOf(spot) + ROUTE_SIZES.aside;
  const enter = middleOf(spot) - ROUTE_SIZES.aside;
  const track = askChannel(spot, spot, true, enter, leave);
  return [
    makeCorner(spot, leave, "right"),
    makeCorner(track, leave),
    makeCorner(track, enter),
    makeCorner(spot, enter, "right"),
  ];
}

/** An arrow to a later card: straight, over one elbow, or along a channel. */
function routeDown(link) {
  const { tail, head, start, end } = link;
  const below = bottomOf(start) + ROUTE_SIZES.below;
  const above = end.y - ROUTE_SIZES.above;
  let y = null;
  if (isWayOpen(start, end, above)) {
    y = above;
    noteSpan(start, start.y, y);
  } else if (isWayOpen(end, start, below)) y = below;
  if (y === null) return routeAlong(link, below, above);
  noteSpan(end, y, end.y);
  const leaving = leaveDown(tail, start, false);
  const entering = enterDown(head, end, false, tail);
  return [...leaving, ...turnAt(leaving[leaving.length - 1], entering[0], y), ...entering];
}

/** Whether the lane of passed is free from it to y, and from there to reached. */
function isWayOpen(passed, reached, y) {
  const low = Math.min(bottomOf(passed), y);
  const high = Math.max(passed.y, y);
  return isLaneFree(passed, low, high) && isRowFree(passed, reached.lane, y);
}

/** Whether nothing but the spot itself stands in its lane between two heights. */
function isLaneFree(spot, low, high) {
  const lane = spot.parent.lanes[spot.lane];
  let at = bisectRight(lane, high, topOf) - 1;
  while (at >= 0 && bottomOf(lane[at]) > low) {
    if (lane[at] !== spot) return false;
    at -= 1;
  }
  return true;
}

/** An arrow along channels beside the lanes of both ends. */
function routeAlong(link, below, above) {
  const { tail, head, start, end } = link;
  const beside = chooseChannel(start, end, below, above);
  const leaving = leaveDown(tail, start, false);
  const last = leaving[leaving.length - 1];
  if (beside === null) {
    const entering = enterDown(head, end, false, tail);
    const crossing = crossLanes(tail, start, end, below, above, false);
    return [
      ...leaving,
      ...turnAt(last, crossing[0], below),
      ...crossing,
      ...turnAt(crossing[1], entering[0], above),
      ...entering,
    ];
  }
  const middle = middleOf(head);
  const channel = start.parent.channels[beside];
  if (beside === end.lane && leavesRight(head, end, middle)) {
    const track = requestTrack(channel, tail.order, false, below, middle);
    const entering = [makeCorner(track, middle), makeCorner(head, middle, "right")];
    return [...leaving, ...turnAt(last, entering[0], below), ...entering];
  }
  const entering = enterDown(head, end, false, tail);
  const line = makeCorner(requestTrack(channel, tail.order, false, below, above), below);
  return [
    ...leaving,
    ...turnAt(last, line, below),
    ...turnAt(line, entering[0], above),
    ...entering,
  ];
}

/** Lane to the right of which one channel leads from start to end; null if none does. */
function chooseChannel(start, end, below, above) {
  if (start.lane === end.lane) return start.lane;
  if (start.lane < end.lane) {
    if (isRowFree(start, end.lane, above)) return start.lane;
    return isRowFree(start, end.lane, below) ? end.lane - 1 : null;
  }
  if (isRowFree(start, end.lane, below)) return end.lane;
  return isRowFree(start, end.lane, above) ? start.lane - 1 : null;
}

/** Lead along the channel of one lane, over the lanes between, and along that of the other. */
function crossLanes(tail, start, end, low, high, loop) {
  const y = findFreeRow(start, end, low, high);
  return [
    makeCorner(askChannel(start, tail, loop, low, y), y),
    makeCorner(askChannel(end, tail, loop, y, high), y),
  ];
}

/** Nearest height below low and above high at which the lanes are free, else below the box. */
function findFreeRow(start, end, low, high) {
  const lanes = start.parent.lanes;
  const first = Math.min(start.lane, end.lane) + 1;
  const spots = lanes.slice(first, Math.max(start.lane, end.lane) + 1).flat();
  spots.sort((a, b) => a.y - b.y || a.order - b.order);
  let y = low;
  for (const spot of spots) {
    if (spot.y >= y + ROUTE_SIZES.clear) break;
    y = Math.max(y, bottomOf(spot) + ROUTE_SIZES.clear);
  }
  if (y <= high) return y;
  const bottom = lanes.flat().reduce((least, spot) => Math.max(least, bottomOf(spot)), 0);
  return bottom + LANE_SIZES.side / 2;
}

/** A loop: out of the right side, up beside the lanes, into the right side. */
function routeBack(link) {
  const { tail, head, start, end } = link;
  let leave = middleOf(tail) + ROUTE_SIZES.aside;
  let enter = middleOf(head);
  const sideOut = leavesRight(tail, start, leave);
  const sideIn = leavesRight(head, end, enter);
  if (!sideOut) leave = bottomOf(start) + ROUTE_SIZES.below;
  if (!sideIn) enter = end.y - ROUTE_SIZES.above;
  const beside = start.lane >= end.lane ? start : end;
  const nLanes = beside.lane + 1;
  let crossing;
  if (isRowFree(start, nLanes, leave) && isRowFree(end, nLanes, enter)) {
    const track = askChannel(beside, tail, true, leave, enter);
    crossing = [makeCorner(track, leave), makeCorner(track, enter)];
  } else {
    const low = Math.min(leave, enter);
    crossing = crossLanes(tail, start, end, low, low - 1, true);
    askChannel(start, tail, true, leave, crossing[0].y);
    askChannel(end, tail, true, enter, crossing[0].y);
  }
  const leaving = sideOut ? [makeCorner(tail, leave, "right")] : leaveDown(tail, start, true);
  const entering = sideIn ? [makeCorner(head, enter, "right")] : enterDown(head, end, true, tail);
  return [
    ...leaving,
    ...turnAt(leaving[leaving.length - 1], crossing[0], leave),
    ...crossing,
    ...turnAt(crossing[1], entering[0], enter),
    ...entering,
  ];
}
