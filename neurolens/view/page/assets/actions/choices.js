/** What a user can do with the graph: select, fold, switch, search. */
import { findById } from "../core/dom.js";
import { listRunsAround } from "../core/document.js";
import { listTimes } from "../core/scores.js";
import { describeItem, describeOp } from "../graph/faces.js";
import { foldLevel, openFolds, placeAgain, placeAll } from "../graph/placement.js";
import { drawStage, findFrame, fitStage, isNarrow, moveCamera, openStage, revealOnStage } from "../graph/stage.js";
import { findNext } from "../graph/walking.js";
import { showDetails } from "../panels/details/details.js";
import { stopPlay } from "../panels/timeline.js";
import { describeSearch, findOps, markHits, stepSearch } from "./search.js";

/** Select an op, or nothing for null; `reveal` unfolds the modules around it. */
export function selectOp(page, op, { reveal = false } = {}) {
  page.focusKey = null;
  const wasOpen = document.body.classList.contains("open");
  document.body.classList.toggle("open", op !== null);
  page.store.set({ selected: op });
  if (op !== null) {
    if (reveal) unfoldAround(page, op);
    showDetails(page, op);
  }
  if (wasOpen !== (op !== null)) page.refreshProfile();
  const item = page.scene.itemOfOp.get(op);
  if (item) {
    revealOnStage(page, item);
    if (!isNarrow()) item.element?.focus({ preventScroll: true });
  }
  markScene(page);
}

/** Unfold every module around an op. */
function unfoldAround(page, op) {
  const { folded } = page.store.state;
  const around = listRunsAround(page.view, page.view.nodes[page.view.nodeOf.get(op)].run);
  if (!around.some((run) => folded.has(run))) return;
  const open = new Set([...folded].filter((run) => !around.includes(run)));
  applyFolds(page, open, page.scene.itemOfOp.get(op)?.run ?? null);
}

/** Fold or unfold a module, which stays under the pointer. */
export function toggleRun(page, run) {
  const folded = new Set(page.store.state.folded);
  if (!folded.delete(run.index)) folded.add(run.index);
  applyFolds(page, folded, run);
  const item = findRun(page, run);
  page.focusKey = item?.key ?? null;
  item?.element?.focus({ preventScroll: true });
}

/** The first item that stands for a run. */
function findRun(page, run) {
  return page.scene.items.find((item) => item.run === run) ?? null;
}

/** Place the graph with other folds; `anchor` stays where it is. Escape brings the old ones back. */
function applyFolds(page, folded, anchor) {
  const before = { scene: page.scene, folded: page.store.state.folded, folds: page.store.state.folds };
  const old = anchor && findRun(page, anchor);
  page.scene = placeAgain(page.view, page.look, folded, page.scene);
  page.store.set({ folds: "own", folded });
  const now = anchor && findRun(page, anchor);
  const { camera } = page;
  if (old && now) {
    const x = camera.x + (old.x - now.x) * camera.zoom;
    const y = camera.y + (old.y - now.y) * camera.zoom;
    page.camera = { ...camera, x, y };
  }
  const stopped = () => putBack(page, before);
  drawStage(page, { done: () => markScene(page), stopped });
  if (isNarrow() && !camera.isFree) fitStage(page);
}

/** The scene from before a drawing that was stopped. */
function putBack(page, before) {
  page.scene = before.scene;
  page.store.set({ folds: before.folds, folded: before.folded });
  drawStage(page, { done: () => markScene(page) });
}

/** A level of detail: "modules", "auto" or "ops". */
export function setDetail(page, folds) {
  const before = { scene: page.scene, folded: page.store.state.folded, folds: page.store.state.folds };
  const folded = folds === "auto" ? openFolds(page.view, page.look, findFrame()) : foldLevel(page.view, folds);
  page.scene = placeAll(page.view, page.look, folded, findFrame());
  page.store.set({ folds, folded });
  if (folds === "auto") openStage(page);
  else fitStage(page);
  drawStage(page, { done: () => markScene(page), stopped: () => putBack(page, before) });
}

/** Place and draw from the state: at the start, for another view, graph or set of regions. */
export function placeFromState(page) {
  const { folds, folded } = page.store.state;
  const kept = folds === "own" ? folded : null;
  if (kept) {
    page.scene = placeAll(page.view, page.look, kept, findFrame());
    fitStage(page);
    drawStage(page, { done: () => markScene(page) });
  } else setDetail(page, folds);
}

/** Another view of the same graph: rolled or unrolled. */
export function setView(page, view) {
  page.store.set({ view, folds: "auto", folded: new Set() });
  page.view = page.graph.views[view];
  placeFromState(page);
}

/** Another model, or this one, or the difference; a model with its own graph brings it along. */
export function setModel(page, patch) {
  const { doc, store } = page;
  const next = { ...store.state, ...patch };
  if (next.mode === "difference" && doc.models[next.other].ownGraph) next.mode = "this";
  const graph = next.mode === "other" ? doc.models[next.other].graph : doc.graph;
  const fresh = graph === page.graph ? {} : { selected: null, view: 0, folds: "auto", folded: new Set() };
  if (graph !== page.graph) {
    document.body.classList.remove("open");
    page.graph = graph;
    page.view = graph.views[0];
    page.search.hits = [];
  }
  store.set({ mode: next.mode, other: next.other, ...fresh });
}

/** One time bin; null for all. */
export function setTime(page, time) {
  stopPlay(page);
  page.store.set({ time });
}

/** The next bin or the one before. */
export function stepTime(page, step) {
  const n = listTimes(page.doc).length;
  if (!n) return;
  const { time } = page.store.state;
  const start = time === null ? (step > 0 ? -1 : n) : time;
  setTime(page, Math.max(0, Math.min(n - 1, start + step)));
}

/** Light up an op, or an item of the graph, in all panels. */
export function hoverOp(page, op, item = null) {
  const target = item ?? page.scene.itemOfOp.get(op) ?? null;
  for (const old of page.drawing.svg.querySelectorAll(".hovered")) old.classList.remove("hovered");
  if (target?.element) {
    target.element.classList.add("hovered");
    for (const arrow of [...target.outs, ...target.ins]) arrow.element?.classList.add("hovered");
  }
  page.profile.hover(op);
  const status = findById("status");
  if (op !== null) status.textContent = describeOp(page.look, op);
  else status.textContent = target ? describeItem(page.look, target) : "";
}

/** Move along the graph by an arrow key; with Shift up to the module around a card. */
export function walkTo(page, key, isShift) {
  const cards = page.scene.items.filter((item) => item.kind !== "box");
  const item = focusedItem(page) ?? page.scene.itemOfOp.get(page.store.state.selected) ?? null;
  if (!item) {
    if (cards.length) focusOn(page, cards[0]);
    return;
  }
  if (isShift && key === "ArrowUp") {
    const run = item.run ? item.run.parent : item.node.run;
    const around = run < 0 ? null : page.scene.items.find((box) => box.kind === "box" && box.index === run);
    if (around) focusOn(page, around);
    return;
  }
  const from = item.kind === "box" ? cards.find((card) => isWithin(card, item)) : item;
  const next = item.kind === "box" ? from : findNext(page.scene, from, key);
  if (!next) return;
  if (next.node && next.ops.length) selectOp(page, next.ops[0]);
  else focusOn(page, next);
}

/** Whether a card stands inside an area. */
function isWithin(card, box) {
  return card.x >= box.x && card.x < box.x + box.width && card.y >= box.y && card.y < box.y + box.height;
}

/** Focus an item that cannot be selected. */
function focusOn(page, item) {
  document.body.classList.remove("open");
  page.store.set({ selected: null });
  page.focusKey = item.key;
  revealOnStage(page, item);
  markScene(page);
  item.element?.focus({ preventScroll: true });
}

/** The item with the keyboard's focus. */
export function focusedItem(page) {
  const active = document.activeElement;
  const key = page.drawing.svg.contains(active) ? active.dataset.key : page.focusKey;
  return key ? (page.scene.itemOfKey.get(key) ?? null) : null;
}

/** What a click or Enter does: modules fold, ops are selected. */
export function pressItem(page, item) {
  if (item.run) toggleRun(page, item.run);
  else if (item.ops.length) selectOp(page, item.ops[0]);
}

/** Mark the selected card, the hits of the search, and the one card that Tab leads to. */
export function markScene(page) {
  const { scene, drawing } = page;
  for (const old of drawing.svg.querySelectorAll(".selected, .focused")) {
    old.classList.remove("selected", "focused");
  }
  const selected = scene.itemOfOp.get(page.store.state.selected) ?? null;
  if (page.store.state.selected !== null) selected?.element?.classList.add("selected");
  const focused = page.focusKey ? scene.itemOfKey.get(page.focusKey) : null;
  focused?.element?.classList.add("focused");
  const stop = focused ?? selected ?? scene.items.find((item) => item.kind !== "box" && item.element);
  for (const old of drawing.svg.querySelectorAll('[tabindex="0"]')) old.setAttribute("tabindex", -1);
  stop?.element?.setAttribute("tabindex", 0);
  if (page.search.query) markHits(drawing.svg, scene, page.search);
  page.profile?.pick(page.store.state.selected);
}

/** Search; large graphs in a task that Escape stops. */
export function searchFor(page, query) {
  page.search.query = query;
  page.search.at = -1;
  const found = [];
  const show = () => {
    page.search.hits = found;
    markHits(page.drawing.svg, page.scene, page.search);
    findById("found").textContent = describeSearch(page.search);
  };
  if (page.runner.isBusy()) return; // A drawing goes on; its end shows the hits.
  page.runner.start(findOps(page.graph, query, found), { done: show, stopped: show });
}

/** Jump to the next hit or the one before. */
export function jumpTo(page, direction) {
  const op = stepSearch(page.search, direction);
  if (op === null) return;
  selectOp(page, op, { reveal: true });
  findById("found").textContent = describeSearch(page.search);
  findById("search").focus();
}

/** Stop playing, drawing or searching; whether anything ran. */
export function stopWork(page) {
  return stopPlay(page) || page.runner.stop();
}

/** Keep the camera on what it shows when the window changes. */
export function resizeStage(page) {
  page.refreshProfile();
  if (isNarrow() !== page.wasNarrow) {
    page.wasNarrow = isNarrow();
    if (page.store.state.folds === "auto") {
      placeFromState(page);
      return;
    }
  }
  if (page.camera.isFree) moveCamera(page, page.camera);
  else fitStage(page);
}
