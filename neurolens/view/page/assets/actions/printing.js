/** Print: light, the whole graph, nothing cut; afterwards everything is as it was. */
import { findById } from "../core/dom.js";

/** Prepare the page for paper and put it back. */
export function listenToPrint(page) {
  let before = null;
  addEventListener("beforeprint", () => {
    if (before) return;
    before = { theme: page.store.state.theme, open: findById("methods-box").open };
    findById("methods-box").open = true;
    page.store.set({ theme: "light" });
    page.drawAll();
    const { svg, viewport } = page.drawing;
    const { width, height } = page.scene;
    svg.setAttribute("viewBox", `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`);
    svg.style.aspectRatio = `${width} / ${height}`;
    viewport.setAttribute("transform", "");
    svg.classList.remove("far", "farther");
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    const { svg } = page.drawing;
    svg.removeAttribute("viewBox");
    svg.style.aspectRatio = "";
    findById("methods-box").open = before.open;
    page.store.set({ theme: before.theme });
    before = null;
    page.moveCamera(page.camera);
  });
}
