/** Mouse and touch on the graph: drag to pan, wheel and pinch to zoom, click, hover. */
import { findById } from "../core/dom.js";

const SLOP = 4; // pixels before a press becomes a drag

/** Listen to pointers on the graph. */
export function listenToPointers(page) {
  const { svg } = page.drawing;
  const pointers = new Map();
  let isDrag = false;

  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!pointers.size) isDrag = false;
    pointers.set(event.pointerId, locate(svg, event));
  });
  addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = locate(svg, event);
    if (pointers.size === 2) {
      pinch(page, pointers, event.pointerId, now);
      isDrag = true;
    } else if (!page.isNarrow() || page.camera.isFree) {
      const moved = Math.hypot(now.x - before.x, now.y - before.y);
      if (!isDrag && moved <= SLOP) return;
      isDrag = true;
      svg.classList.add("dragging");
      page.moveCamera({ ...page.camera, x: page.camera.x + now.x - before.x, y: page.camera.y + now.y - before.y });
    } else return;
    pointers.set(event.pointerId, now);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (!pointers.size) svg.classList.remove("dragging");
  };
  addEventListener("pointerup", release);
  addEventListener("pointercancel", release);
  svg.addEventListener("click", (event) => {
    if (isDrag) return;
    const item = page.itemAt(event.target);
    if (item) page.press(item);
    else page.select(null);
  });
  listenToHover(page, svg);
  listenToWheel(page, svg);
}

/** Where a pointer is in the window of the graph. */
function locate(svg, event) {
  const box = svg.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

/** Two fingers: zoom about their middle and move with it. */
function pinch(page, pointers, id, now) {
  const other = [...pointers].find(([key]) => key !== id)[1];
  const before = pointers.get(id);
  const length = (a) => Math.hypot(a.x - other.x, a.y - other.y);
  const middle = (a) => ({ x: (a.x + other.x) / 2, y: (a.y + other.y) / 2 });
  const from = middle(before);
  const to = middle(now);
  const factor = length(now) / Math.max(1, length(before));
  page.zoom(factor, from.x, from.y, true);
  page.moveCamera({ ...page.camera, x: page.camera.x + to.x - from.x, y: page.camera.y + to.y - from.y });
}

/** Light up what the pointer is on. */
function listenToHover(page, svg) {
  let last = null;
  const show = (item) => {
    if (item === last) return;
    last = item;
    page.hover(item && item.node && item.ops.length ? item.ops[0] : null, item);
  };
  svg.addEventListener("pointerover", (event) => {
    const item = page.itemAt(event.target);
    show(item && item.kind !== "box" ? item : null);
  });
  svg.addEventListener("pointerleave", () => show(null));
}

/** The wheel zooms; where the page itself scrolls, only with Ctrl or when the graph has the focus. */
function listenToWheel(page, svg) {
  svg.addEventListener(
    "wheel",
    (event) => {
      const scrolls = page.isNarrow() || page.scrolls();
      if (scrolls && !event.ctrlKey && !svg.contains(document.activeElement)) {
        findById("status").textContent = "Ctrl and the wheel zoom; after a click on the graph, the wheel alone";
        return;
      }
      event.preventDefault();
      const { x, y } = locate(svg, event);
      page.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), x, y);
    },
    { passive: false },
  );
}
