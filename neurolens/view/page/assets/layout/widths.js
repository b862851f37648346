/**
 * Widths and places of lanes, as neurolens/view/layout/widths.py has them: as near to each other as
 * cards and arrows between them allow.
 */
import { LANE_SIZES, topOf } from "./lanes.js";
import { bisectRight } from "./search.js";
import { spreadTracks, TRACKS_APART } from "./tracks.js";
import { bottomOf } from "./tree.js";

/** Set widths, axes and x of everything, the latter from the left of its column. */
export function placeLanes(tree, plan) {
  for (let i = tree.spots.length - 1; i >= 0; i -= 1) {
    const spot = tree.spots[i];
    if (spot.kind === "box") {
      const inner = spaceChildren(spot, plan) + 2 * LANE_SIZES.side;
      spot.width = Math.max(inner, plan.titles[spot.index] + LANE_SIZES.titleEnds);
      spot.axis += LANE_SIZES.side;
    } else spot.axis = spot.width / 2;
  }
  for (const root of tree.roots) root.width = spaceChildren(root, plan);
  for (const spot of tree.spots) {
    if (spot.parent.kind === "box") spot.x += spot.parent.x + LANE_SIZES.side;
  }
  for (const spot of tree.spots) {
    if (spot.kind === "box") moveTracks(spot, spot.x + LANE_SIZES.side);
  }
}

/**
 * Place lanes and channels from x = 0; set the axis of the box; the width. Lanes beside the first
 * are placed section by section: only next to what stands at their height.
 */
function spaceChildren(box, plan) {
  for (const lane of box.lanes) shareWidth(lane, plan);
  box.axis = box.lanes[0].reduce((axis, spot) => Math.max(axis, spot.axis), 0);
  for (const spot of box.lanes[0]) spot.x = box.axis - spot.axis;
  let width = box.lanes[0].reduce(farthestRight, 0);
  for (const section of findSections(box)) width = Math.max(width, spaceSection(box, section));
  const outermost = [...box.channels[box.channels.length - 1].values()];
  const farthest = spreadTracks(outermost, TRACKS_APART, LANE_SIZES.rail, (track) =>
    findLeastX(box.lanes, box.axis, track),
  );
  return farthest === null ? width : Math.max(width, farthest + LANE_SIZES.railEnd);
}

/** The greater of an x and the right of a spot. */
function farthestRight(x, spot) {
  return Math.max(x, spot.x + spot.width);
}

/** Stretches of heights in which something runs beside the first lane, and their tracks. */
function findSections(box) {
  const inner = box.channels.slice(0, -1);
  const spans = [...box.spans];
  for (const lane of box.lanes.slice(1)) {
    for (const spot of lane) spans.push([spot.y, bottomOf(spot)]);
  }
  for (const channel of inner) {
    for (const track of channel.values()) spans.push([track.low, track.high]);
  }
  spans.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const sections = [];
  for (const [low, high] of spans) {
    const last = sections[sections.length - 1];
    if (last && low <= last.high) last.high = Math.max(last.high, high);
    else sections.push({ low, high, channels: inner.map(() => []) });
  }
  inner.forEach((channel, k) => {
    for (const track of channel.values()) {
      const at = bisectRight(sections, track.low, (section) => section.low) - 1;
      sections[at].channels[k].push(track);
    }
  });
  return sections;
}

/** Place the lanes beside the first, and the channels between, in a section; its right. */
function spaceSection(box, section) {
  const first = box.lanes[0];
  const beside = listBetween(first, section.low - TRACKS_APART, section.high + TRACKS_APART);
  let edge = beside.length ? beside.reduce(farthestRight, -Infinity) : box.axis;
  let axis = box.axis;
  section.channels.forEach((channel, k) => {
    const floor = axis;
    const farthest = spreadTracks(channel, TRACKS_APART, LANE_SIZES.rail, (track) =>
      findLeastX([box.lanes[k]], floor, track),
    );
    let x = edge + LANE_SIZES.laneGap;
    if (farthest !== null) x = Math.max(x, farthest + LANE_SIZES.railStart);
    const spots = listBetween(box.lanes[k + 1], section.low, section.high);
    const left = spots.reduce((most, spot) => Math.max(most, spot.axis), 0);
    for (const spot of spots) {
      spot.x = x + left - spot.axis;
      edge = farthestRight(edge, spot);
    }
    axis = spots.length ? x + left : x - LANE_SIZES.laneGap;
    edge = Math.max(edge, axis);
  });
  return edge;
}

/** What stands in a lane between two heights, at least in part. */
function listBetween(lane, low, high) {
  const end = bisectRight(lane, high, topOf);
  let start = end;
  while (start > 0 && bottomOf(lane[start - 1]) >= low) start -= 1;
  return lane.slice(start, end);
}

/** Least x of a track to the right of lanes, next to what stands beside it. */
function findLeastX(lanes, axis, track) {
  let right = axis;
  for (const lane of lanes) {
    const beside = listBetween(lane, track.low - TRACKS_APART, track.high + TRACKS_APART);
    right = beside.reduce(farthestRight, right);
  }
  return right + LANE_SIZES.railStart;
}

/** Give the cards of a lane the width of the widest; inputs and outputs keep theirs. */
function shareWidth(lane, plan) {
  const cards = lane.filter(
    (spot) => spot.kind === "module" || (spot.kind === "node" && !plan.nodes[spot.index][3]),
  );
  const widest = cards.reduce((width, spot) => Math.max(width, spot.width), 0);
  for (const spot of cards) {
    spot.width = widest;
    spot.axis = widest / 2;
  }
}

/** Move the tracks beside the lanes of a box to the right. */
export function moveTracks(box, x) {
  for (const channel of box.channels) {
    for (const track of channel.values()) track.at += x;
  }
}
