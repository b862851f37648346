/** The state of the page in its address, so that a view can be sent to somebody. */

import { findOpeningTime, listTimes } from "./scores.js";

/** Write what differs from the opening state as "#region=V4&op=12". */
export function writeAddress(state, opening) {
  const parts = new URLSearchParams();
  if (state.region !== opening.region) parts.set("region", state.region);
  if (state.selected !== null) parts.set("op", String(state.selected));
  if (state.time !== opening.time) parts.set("time", String(state.time ?? "all"));
  if (state.mode !== "this") parts.set("show", state.mode);
  if (state.other !== 1) parts.set("model", String(state.other));
  if (state.view !== 0) parts.set("view", String(state.view));
  if (state.theme !== null) parts.set("theme", state.theme);
  if (state.chosen.join("\n") !== opening.chosen.join("\n")) {
    state.chosen.forEach((id) => parts.append("cells", id));
  }
  if (state.folds === "own") parts.set("folded", writeNumbers(state.folded));
  else if (state.folds !== "auto") parts.set("detail", state.folds);
  const text = parts.toString();
  return text ? "#" + text : "";
}

/** Read an address; what it says of things that do not exist is left out. */
export function readAddress(hash, doc) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const found = {};
  const region = parts.get("region");
  if (region === "all" || doc.regionIndex.has(region)) found.region = region;
  const other = readNumber(parts.get("model"), doc.models.length);
  if (other !== null && other > 0) found.other = other;
  const mode = parts.get("show");
  const compared = doc.models[found.other ?? 1];
  if (compared && (mode === "other" || (mode === "difference" && !compared.ownGraph))) {
    found.mode = mode;
  }
  const graph = found.mode === "other" ? compared.graph : doc.graph;
  const view = readNumber(parts.get("view"), graph.views.length);
  if (view !== null) found.view = view;
  const op = readNumber(parts.get("op"), graph.ops.length);
  if (op !== null) found.selected = op;
  const time = readNumber(parts.get("time"), listTimes(doc).length);
  if (time !== null) found.time = time;
  else if (parts.get("time") === "all" && findOpeningTime(doc) === null) found.time = null;
  if (["light", "dark"].includes(parts.get("theme"))) found.theme = parts.get("theme");
  const chosen = parts.getAll("cells").filter((id) => doc.regionIndex.has(id));
  if (chosen.length) found.chosen = chosen;
  if (["modules", "ops"].includes(parts.get("detail"))) found.folds = parts.get("detail");
  if (parts.has("folded")) {
    found.folds = "own";
    found.folded = readNumbers(parts.get("folded"), graph.views[found.view ?? 0].runs.length);
  }
  return found;
}

/** A whole number from 0 up to `end`, else null. */
function readNumber(text, end) {
  if (text === null || !/^\d{1,6}$/.test(text)) return null;
  return Number(text) < end ? Number(text) : null;
}

/** Positions as ranges: "0-4.7". */
function writeNumbers(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const ranges = [];
  for (const number of sorted) {
    const last = ranges[ranges.length - 1];
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(".");
}

/** The positions below `end` that ranges name. */
function readNumbers(text, end) {
  const found = new Set();
  for (const part of text.split(".")) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    if (!match) continue;
    const last = Math.min(Number(match[2] ?? match[1]), end - 1);
    for (let number = Number(match[1]); number <= last; number += 1) found.add(number);
  }
  return found;
}
