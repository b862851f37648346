/** The window of the graph: what is placed and drawn in it, and how it moves. */
import { findById } from "../core/dom.js";
import { fitScene, fitWidth, revealItem, zoomAt } from "./camera.js";
import { drawScene, findItem, MANY, needsDrawing, paintScene } from "./drawing.js";

const NARROW = 760;
const PHONE_HEIGHT = 1700; // room that a phone gives a graph, which it scrolls through
const AT_ONCE = 1500; // boxes that are drawn without looking at events meanwhile
const FAR = 0.6;
const FARTHER = 0.45;

/** Width and height of the window. */
export function measureStage() {
  const box = findById("stage").getBoundingClientRect();
  return { width: box.width, height: box.height };
}

/** Whether the page is laid out for a phone. */
export function isNarrow() {
  return innerWidth < NARROW;
}

/** The frame that the layout should fill. */
export function findFrame() {
  const { width, height } = measureStage();
  if (isNarrow()) return { width: width - 16, height: PHONE_HEIGHT, least: 0.92, single: true };
  return { width: width - 16, height: Math.max(300, height - 12), least: 1, single: false };
}

/** Draw the scene of a page; large ones in a task that Escape stops. */
export function drawStage(page, { done = () => {}, stopped = () => {}, whole = false } = {}) {
  const { drawing, scene, look, camera } = page;
  const steps = drawScene(drawing, scene, look, camera, whole ? null : measureStage());
  const finish = () => {
    setBusy("");
    applyCamera(page);
    done();
  };
  if (whole || scene.items.length <= AT_ONCE) {
    page.runner.stop();
    for (const step of steps) void step;
    finish();
    return;
  }
  const n = scene.items.length.toLocaleString("en");
  page.runner.start(steps, {
    done: finish,
    stopped: () => {
      setBusy("");
      stopped();
    },
  });
  if (page.runner.isBusy()) setBusy(`drawing ${n} boxes; Esc stops`);
}

/** Paint scores anew. */
export function paintStage(page) {
  paintScene(page.drawing, page.look);
}

/** Say what takes long. */
export function setBusy(text) {
  findById("busy").textContent = text;
  findById("busy").hidden = !text;
}

/** Move the graph to where the camera says. */
export function applyCamera(page) {
  const { camera, drawing } = page;
  const place = `translate(${camera.x.toFixed(1)} ${camera.y.toFixed(1)})`;
  drawing.viewport.setAttribute("transform", `${place} scale(${camera.zoom.toFixed(4)})`);
  drawing.svg.classList.toggle("far", camera.zoom < FAR);
  drawing.svg.classList.toggle("farther", camera.zoom < FARTHER);
}

/** Set the camera; of a large graph what comes into view is drawn. */
export function moveCamera(page, camera) {
  page.camera = camera;
  applyCamera(page);
  if (!needsDrawing(page.drawing, camera, measureStage()) || page.drawSoon) return;
  page.drawSoon = requestAnimationFrame(() => {
    page.drawSoon = null;
    drawStage(page, { done: () => page.mark() });
  });
}

/** Zoom about a point, the middle of the window if none is given. */
export function zoomStage(page, factor, x = null, y = null, isFree = false) {
  const box = measureStage();
  const camera = zoomAt(page.camera, x ?? box.width / 2, y ?? box.height / 2, factor);
  moveCamera(page, { ...camera, isFree: isFree || page.camera.isFree });
}

/** Show all of the graph; the window of a phone grows with it. */
export function fitStage(page) {
  const stage = findById("stage");
  const { svg } = page.drawing;
  if (isNarrow()) {
    const camera = fitWidth(page.scene, measureStage());
    stage.style.height = svg.style.height = `${Math.ceil(page.scene.height * camera.zoom + 6)}px`;
    moveCamera(page, camera);
    return;
  }
  stage.style.height = svg.style.height = "";
  moveCamera(page, fitScene(page.scene, measureStage()));
}

/** The opening view: all of the graph, but no smaller than can be read. */
export function openStage(page) {
  fitStage(page);
  if (isNarrow() || page.camera.zoom >= 1) return;
  const box = measureStage();
  const best = page.look.doc.regions.find((region) => region.best)?.best.op;
  const item = page.scene.itemOfOp.get(best);
  const y = Math.max(2, (box.height - page.scene.height) / 2);
  const camera = { x: 8, y, zoom: 1 };
  moveCamera(page, item ? revealItem(camera, item, box) : camera);
}

/** Move as little as needed for an item to be seen. */
export function revealOnStage(page, item) {
  if (isNarrow() && !page.camera.isFree) {
    item.element?.scrollIntoView({ block: "center" });
    return;
  }
  moveCamera(page, { ...revealItem(page.camera, item, measureStage()), isFree: page.camera.isFree });
  if (!item.element && page.scene.items.length > MANY) drawStage(page, { whole: false });
}

/** The item under an element. */
export function findItemAt(page, element) {
  return findItem(page.drawing, element);
}
