/** What is known about one op, in a panel beside the graph. */
import { findById, makeHtml, makeSegments } from "../../core/dom.js";
import { makeActivationPanel } from "../stimuli/activations.js";
import { makeRdmPanel } from "../stimuli/rdms.js";
import { listFacts } from "./facts.js";
import { makeScoreTable } from "./scores.js";
import { drawTimeCourse } from "./times.js";

/** Fill the panel for an op. */
export function showDetails(page, op) {
  const { graph } = page;
  const record = graph.ops[op];
  const close = { class: "icon", type: "button", "aria-label": "Close details", title: "close (Esc)", onclick: () => page.select(null) };
  const label = record.label ? makeHtml("span", { class: "soft" }, ` ${record.label}`) : null;
  const head = makeHtml("header", {},
    makeHtml("div", {}, makeHtml("h2", {}, record.function, label), makeHtml("p", { class: "mono" }, record.name)),
    makeHtml("button", close, "×"));
  const passes = page.view.nodes[page.view.nodeOf.get(op)]?.ops ?? [];
  const segments = passes.length > 1
    ? makeSegments(passes.map((other, i) => [other, `t${i + 1}`, `pass ${i + 1}`]), op, (other) => page.select(other), "Pass")
    : null;
  segments?.classList.add("small");
  const facts = listFacts(graph, op).flatMap(([name, value, style]) => [
    makeHtml("dt", {}, name), makeHtml("dd", { class: style }, value),
  ]);
  const body = makeHtml("div", { class: "inner" }, head, segments, makeScoreTable(page, op),
    drawTimeCourse(page, op), makeActivationPanel(page, op), makeRdmPanel(page, op),
    makeHtml("h3", {}, "Operation"), makeHtml("dl", {}, facts));
  const panel = findById("details");
  const { scrollTop } = panel;
  panel.replaceChildren(body);
  panel.scrollTop = scrollTop;
}
