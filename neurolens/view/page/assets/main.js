/** The page: reads its data, builds the parts and lets every change of the state reach them. */
import { readAddress, writeAddress } from "./core/address.js";
import { readDocument } from "./core/document.js";
import { findById, makeHtml } from "./core/dom.js";
import { makeLook } from "./core/look.js";
import { createStore, makeState } from "./core/state.js";
import { createRunner } from "./core/tasks.js";
import { createDrawing } from "./graph/drawing.js";
import { placeAll } from "./graph/placement.js";
import {
  drawStage, findFrame, findItemAt, fitStage, isNarrow, moveCamera, paintStage, zoomStage,
} from "./graph/stage.js";
import { fillHead } from "./panels/answer.js";
import { fillControls } from "./panels/controls.js";
import { showDetails } from "./panels/details/details.js";
import { fillKey } from "./panels/key.js";
import { describeProfile, drawProfile } from "./panels/profile/profile.js";
import { fillSections } from "./panels/sections.js";
import { setSheet } from "./panels/stimuli/thumbs.js";
import { fillTable } from "./panels/table.js";
import { fillTimeline } from "./panels/timeline.js";
import {
  focusedItem, hoverOp, jumpTo, markScene, placeFromState, pressItem, resizeStage, searchFor,
  selectOp, setDetail, setModel, setTime, setView, stepTime, stopWork, walkTo,
} from "./actions/choices.js";
import { listenToExports } from "./actions/exports.js";
import { saveText } from "./actions/files.js";
import { listenToKeys } from "./actions/keyboard.js";
import { listenToPointers } from "./actions/pointer.js";
import { listenToPrint } from "./actions/printing.js";
import { makeSearch } from "./actions/search.js";

const LOOKS = ["region", "time", "mode", "other", "theme", "chosen"];
const darkMode = matchMedia("(prefers-color-scheme: dark)");

/** Read a JSON script of the page. */
function readScript(id) {
  return JSON.parse(findById(id).textContent);
}

/** Whether the page is dark: as chosen, or as the system is. */
function isDark(state) {
  return state.theme ? state.theme === "dark" : darkMode.matches;
}

/** The page with everything that its parts call. */
function createPage(doc, ramps) {
  const opening = makeState(doc);
  const address = readHash();
  const asked = readAddress(address, doc);
  const store = createStore({ ...opening, ...asked });
  const page = {
    doc, store, opening, ramps, address, timer: null, focusKey: null, wasNarrow: isNarrow(),
    camera: { x: 0, y: 0, zoom: 1 }, runner: createRunner(), search: makeSearch(), scene: null,
    profile: { hover() {}, pick() {} },
  };
  const { state } = store;
  page.look = makeLook(doc, state, isDark(state), ramps);
  page.graph = page.look.model.graph;
  page.view = page.graph.views[state.view];
  page.drawing = createDrawing(findById("graph"));
  return Object.assign(page, bindActions(page));
}

/** The actions, each bound to the page. */
function bindActions(page) {
  return {
    select: (op, options) => selectOp(page, op, options),
    hover: (op, item) => hoverOp(page, op, item),
    press: (item) => pressItem(page, item),
    walk: (key, isShift) => walkTo(page, key, isShift),
    focused: () => focusedItem(page),
    itemAt: (element) => findItemAt(page, element),
    mark: () => markScene(page),
    fit: () => fitStage(page),
    zoom: (factor, x, y, isFree) => zoomStage(page, factor, x, y, isFree),
    moveCamera: (camera) => moveCamera(page, camera),
    drawAll: () => drawStage(page, { whole: true }),
    drawInView: () => drawStage(page, { done: () => markScene(page) }),
    setDetail: (folds) => setDetail(page, folds),
    setView: (view) => setView(page, view),
    setModel: (patch) => setModel(page, patch),
    setTime: (time) => setTime(page, time),
    setChosen: (chosen) => page.store.set({ chosen }),
    stepTime: (step) => stepTime(page, step),
    showTime: () => fillTimeline(page, findById("time")),
    find: (query) => searchFor(page, query),
    jump: (direction) => jumpTo(page, direction),
    stopWork: () => stopWork(page),
    toggleTheme: () => page.store.set({ theme: isDark(page.store.state) ? "light" : "dark" }),
    refreshProfile: () => refreshProfile(page),
    isNarrow,
    scrolls: () => document.documentElement.scrollHeight > innerHeight + 4 || window.parent !== window,
    saveText,
  };
}

/** The state that the address asks for. */
function readHash() {
  try {
    return location.hash;
  } catch {
    return "";
  }
}

/**
 * Keep the address up to date; a page inside another one may not be allowed to. An address that the
 * page has not read yet is kept: its event is on the way.
 */
function keepAddress(page) {
  clearTimeout(page.addressTimer);
  page.addressTimer = setTimeout(() => {
    const hash = writeAddress(page.store.state, page.opening);
    const shown = readHash();
    if (hash === shown || shown !== page.address) return;
    try {
      history.replaceState(null, "", hash || location.pathname + location.search);
      page.address = readHash();
    } catch {
      // Nothing is lost but the address.
    }
  }, 200);
}

/** Draw the profile and say what it shows. */
function refreshProfile(page) {
  page.profile = drawProfile(page, findById("profile"));
  findById("profile-key").replaceChildren(...describeProfile(page.look));
}

/** Bring the page to a state of which these names changed. */
function showChange(page, state, changed) {
  const looksChanged = LOOKS.some((name) => changed.has(name));
  if (looksChanged) {
    const before = page.look;
    page.look = makeLook(page.doc, state, isDark(state), page.ramps);
    document.documentElement.dataset.theme = page.look.dark ? "dark" : "light";
    updateScene(page, before, changed);
    fillKey(page.look, page.scene);
    refreshProfile(page);
    if (changed.has("theme")) page.repaints.forEach((repaint) => repaint());
    if (state.selected !== null) showDetails(page, state.selected);
  } else if (changed.has("folded") || changed.has("view")) fillKey(page.look, page.scene);
  if (changed.size > 1 || !changed.has("time")) fillControls(page);
  else fillTimeline(page, findById("time"));
  keepAddress(page);
}

/** Place the graph again where its cards changed, else paint the scores. */
function updateScene(page, before, changed) {
  if (before.model.graph !== page.look.model.graph) {
    placeFromState(page);
    return;
  }
  if (before.cardVersion === page.look.cardVersion) {
    paintStage(page);
    return;
  }
  if (changed.has("chosen") && page.store.state.folds === "auto") {
    placeFromState(page);
    return;
  }
  page.scene = placeAll(page.view, page.look, page.store.state.folded, findFrame());
  drawStage(page, { done: () => markScene(page) });
}

/** Listen to everything. */
function listen(page) {
  page.store.listen((state, changed) => showChange(page, state, changed));
  listenToKeys(page);
  listenToPointers(page);
  listenToExports(page);
  listenToPrint(page);
  findById("search").addEventListener("input", (event) => page.find(event.target.value));
  findById("fit").addEventListener("click", () => page.fit());
  findById("theme").addEventListener("click", () => page.toggleTheme());
  darkMode.addEventListener("change", () => {
    if (!page.store.state.theme) showChange(page, page.store.state, new Set(["theme"]));
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // A phone that hides its address bar changes the height.
    width = innerWidth;
    resizeStage(page);
  });
  addEventListener("hashchange", () => {
    page.address = readHash();
    const asked = { ...page.opening, ...readAddress(page.address, page.doc) };
    applyAddress(page, asked);
  });
}

/** Bring the page to the state of an address. */
function applyAddress(page, asked) {
  setModel(page, { mode: asked.mode, other: asked.other });
  const { region, chosen, time, theme } = asked;
  page.store.set({ region, chosen, time, theme });
  page.view = page.graph.views[asked.view];
  page.store.set({ view: asked.view, folds: asked.folds, folded: asked.folded });
  placeFromState(page);
  page.select(asked.selected);
}

/** Build the page. */
function start() {
  const started = performance.now();
  const doc = readDocument(readScript("data"));
  const { ramps } = readScript("themes");
  const page = createPage(doc, ramps);
  document.title = doc.title;
  document.documentElement.dataset.theme = page.look.dark ? "dark" : "light";
  const open = (op) => page.select(op, { reveal: true });
  fillHead(doc, open);
  fillTable(doc, open);
  setSheet(doc.stimuli);
  fillSections(page);
  fillMethods(doc);
  fillControls(page);
  refreshProfile(page); // First, so that the graph knows how much room is left.
  fillKey(page.look, { arrows: [], items: [] });
  listen(page);
  const { selected } = page.store.state;
  placeFromState(page);
  fillKey(page.look, page.scene);
  if (selected !== null) page.select(selected, { reveal: page.store.state.folds !== "own" });
  page.scriptTime = performance.now() - started;
  document.documentElement.dataset.ready = "true";
  return page;
}

/** How the numbers were made, beside the profile; a report has a section for that. */
function fillMethods(doc) {
  findById("methods-box").hidden = !doc.methods.length || doc.sections.length > 0;
  findById("methods").replaceChildren(...doc.methods.map((text) => makeHtml("p", {}, text)));
}

try {
  window.neurolens = start();
} catch (error) {
  findById("failure").hidden = false;
  findById("failure").textContent = `This page could not be shown: ${error.message}`;
  throw error;
}
