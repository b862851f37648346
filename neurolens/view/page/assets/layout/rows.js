/**
 * Turns of different arrows at one height are parted, where they would run over each other, as
 * neurolens/view/layout/rows.py has it.
 */
import { cornerX, cornerY } from "./channels.js";
import { insertTrack, isSlotFree, TRACKS_APART } from "./tracks.js";

/** Offsets of the first, second, and third arrow of a row. */
const ROW_OFFSETS = [0, -2.5, 2.5];

/** Move turns of arrows up or down that would run on top of others. */
export function partRows(links, routes) {
  const rows = new Map();
  links.forEach((link, order) => {
    if (!link.inside) return;
    for (const corners of listTurns(routes[order])) {
      const turn = makeTurn(link, order, corners);
      if (turn.high <= turn.low) continue;
      const key = `${link.tail.column} ${cornerY(corners[0])}`;
      if (!rows.has(key)) rows.set(key, []);
      rows.get(key).push(turn);
    }
  });
  for (const turns of rows.values()) {
    if (turns.length > 1) partTurns(turns);
  }
}

function makeTurn(link, order, corners) {
  const ends = corners.map(cornerX);
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  return { order, low, high, tail: link.tail.order, head: link.head.order, corners };
}

/** Corners of stretches that may be moved: those between vertical lines. */
function listTurns(corners) {
  const turns = [];
  let stretch = [];
  for (const corner of [...corners, null]) {
    if (corner && stretch.length && corner.y === stretch[0].y) {
      stretch.push(corner);
      continue;
    }
    if (stretch.length > 1 && stretch.every((c) => c.side === "axis")) turns.push(stretch);
    stretch = corner ? [corner] : [];
  }
  return turns;
}

/** Give the turns of a row offsets, the longest first; what fits nowhere keeps its place. */
function partTurns(turns) {
  const slots = ROW_OFFSETS.map(() => []);
  const shared = new Map();
  turns.sort((a, b) => a.low - a.high - (b.low - b.high) || a.low - b.low || a.order - b.order);
  for (const turn of turns) {
    const keys = [`tail ${turn.tail}`, `head ${turn.head}`];
    const known = keys.find((key) => shared.has(key));
    let number = known === undefined ? -1 : shared.get(known);
    if (number < 0) {
      number = slots.findIndex((slot) => isSlotFree(slot, turn, TRACKS_APART));
      if (number >= 0) insertTrack(slots[number], turn);
      else number = 0;
    }
    for (const key of keys) if (!shared.has(key)) shared.set(key, number);
    for (const corner of turn.corners) corner.y = cornerY(corner) + ROW_OFFSETS[number];
  }
}
