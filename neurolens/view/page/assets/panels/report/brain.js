/** The brain of the document, in a section: it follows the page between light and dark. */
import { mountBrainViewer } from "../../brain/viewer.js";
import { makeHtml } from "../../core/dom.js";

/** Return the viewer in an element, or words where the document has no brain. */
export function makeBrainBlock(page) {
  if (!page.doc.brain) return makeHtml("p", { class: "soft" }, "(no map of the brain in this page)");
  const host = makeHtml("div", { class: "brain-block" });
  const viewer = mountBrainViewer(host, page.doc.brain, page.look.dark);
  page.repaints.push(() => viewer.setDark(page.look.dark));
  return host;
}
