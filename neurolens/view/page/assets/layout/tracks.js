/**
 * Tracks: parallel lines beside lanes, in gutters and above and below columns, as
 * neurolens/view/layout/tracks.py has them. Tracks of a channel are a Map by tail and kind.
 */
import { bisectLeft } from "./search.js";

/** Between the ends of two arrows on one line. */
export const TRACKS_APART = 4;

/** Track of a card's arrows, long enough to reach from a to b; its loops have one of their own. */
export function requestTrack(tracks, tail, loop, a, b) {
  const key = 2 * tail + (loop ? 1 : 0);
  const low = Math.min(a, b);
  const high = Math.max(a, b);
  let track = tracks.get(key);
  if (!track) {
    track = { track: true, order: key, low, high, slot: 0, at: 0 };
    tracks.set(key, track);
  } else {
    track.low = Math.min(track.low, low);
    track.high = Math.max(track.high, high);
  }
  return track;
}

/** Sort tracks into slots, in each of which they are apart, short ones first; the slots. */
export function assignSlots(tracks, apart) {
  const slots = [];
  for (const track of [...tracks].sort(compareTracks)) {
    let number = 0;
    while (number < slots.length && !isSlotFree(slots[number], track, apart)) number += 1;
    if (number === slots.length) slots.push([]);
    insertTrack(slots[number], track);
    track.slot = number;
  }
  return slots;
}

function compareTracks(a, b) {
  return a.high - a.low - (b.high - b.low) || a.low - b.low || a.order - b.order;
}

/** Key by which the tracks of a slot are sorted. */
function lowOf(track) {
  return track.low;
}

/** Whether a track fits into a slot, this far from its neighbors. */
export function isSlotFree(slot, track, apart) {
  const at = bisectLeft(slot, track.low, lowOf);
  if (at && slot[at - 1].high + apart > track.low) return false;
  return at === slot.length || track.high + apart <= slot[at].low;
}

/** Put a track that fits into a slot. */
export function insertTrack(slot, track) {
  slot.splice(bisectLeft(slot, track.low, lowOf), 0, track);
}

/** Tracks of a slot that would meet a track, or come nearer to it than apart. */
function listBeside(slot, track, apart) {
  let first = bisectLeft(slot, track.low, lowOf);
  if (first && slot[first - 1].high + apart > track.low) first -= 1;
  return slot.slice(first, bisectLeft(slot, track.high + apart, lowOf));
}

/** Set where vertical tracks are, as near as findLeast allows; the farthest, null without any. */
export function spreadTracks(tracks, apart, between, findLeast) {
  const slots = assignSlots(tracks, apart);
  let farthest = null;
  slots.forEach((slot, number) => {
    for (const track of slot) {
      let at = findLeast(track);
      for (const nearer of slots.slice(0, number)) {
        for (const other of listBeside(nearer, track, apart)) {
          at = Math.max(at, other.at + between);
        }
      }
      track.at = at;
      farthest = farthest === null ? at : Math.max(farthest, at);
    }
  });
  return farthest;
}
