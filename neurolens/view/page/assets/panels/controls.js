/** The bar of controls: regions, detail, model, time. */
import { findById, makeHtml, makeSegments } from "../core/dom.js";
import { canSubtract, listTimes } from "../core/scores.js";
import { openChooser } from "./chooser.js";
import { fillTimeline } from "./timeline.js";

const N_BUTTONS = 8; // more regions get a list
const DETAIL = [
  ["modules", "Modules", "fold all modules"],
  ["auto", "Auto", "as much as can be read at once"],
  ["ops", "Every op", "unfold all modules"],
];

/** Fill the bar for the state of a page. */
export function fillControls(page) {
  const { doc } = page;
  const { state } = page.store;
  fillRegions(page);
  const detail = makeSegments(DETAIL, state.folds, (folds) => page.setDetail(folds), "Level of detail");
  findById("folds").replaceChildren(detail);
  fillModels(page);
  fillViews(page);
  findById("time").hidden = !listTimes(doc).length;
  fillTimeline(page, findById("time"));
}

/** Buttons of the regions, or a list of them; and the choice of cells. */
function fillRegions(page) {
  const { doc } = page;
  const { state } = page.store;
  const host = findById("regions");
  host.parentElement.hidden = doc.regions.length < 2;
  if (doc.regions.length < 2) return;
  const choose = (region) => page.store.set({ region });
  if (doc.regions.length <= N_BUTTONS) {
    const single = doc.regions.map((r, k) => [r.id, r.id, `color by ${r.name} (${k + 1})`]);
    const choices = [["all", "All", "all regions as cells (0)"], ...single];
    host.replaceChildren(makeSegments(choices, state.region, choose, "Color by region"));
    return;
  }
  const options = [["all", "all chosen, as cells"], ...doc.regions.map((r) => [r.id, r.id])].map(([value, text]) =>
    makeHtml("option", { value, selected: value === state.region }, text),
  );
  const list = makeHtml("select", { "aria-label": "Color by region", onchange: (e) => choose(e.target.value) }, options);
  const cells = makeHtml(
    "button",
    { type: "button", class: "tool", "aria-haspopup": "dialog", onclick: (event) => openChooser(page, event.currentTarget) },
    `Regions ${state.chosen.length} of ${doc.regions.length}`,
  );
  host.replaceChildren(list, " ", cells);
}

/** This model, the other, their difference. */
function fillModels(page) {
  const { doc } = page;
  const { state } = page.store;
  const host = findById("models");
  host.parentElement.hidden = doc.models.length < 2;
  if (doc.models.length < 2) return;
  const other = doc.models[state.other];
  const choices = [
    ["this", doc.models[0].label, `scores of ${doc.models[0].label}`],
    ["other", other.label, `scores of ${other.label}`],
  ];
  if (canSubtract(doc, state.other)) {
    choices.push(["difference", "Difference", `${doc.models[0].label} minus ${other.label}`]);
  }
  const segments = makeSegments(choices, state.mode, (mode) => page.setModel({ mode }), "Model");
  host.replaceChildren(segments);
  if (doc.models.length < 3) return;
  const options = doc.models.slice(1).map((model, i) =>
    makeHtml("option", { value: i + 1, selected: i + 1 === state.other }, model.label),
  );
  const change = (event) => page.setModel({ other: Number(event.target.value) });
  host.append(" ", makeHtml("select", { "aria-label": "Compared model", onchange: change }, options));
}

/** Rolled and unrolled views of a recurrent graph. */
function fillViews(page) {
  const { views } = page.graph;
  const host = findById("views");
  host.parentElement.hidden = views.length < 2;
  const choices = views.map((view, i) => [i, view.rolled ? "Rolled" : "Unrolled",
    view.rolled ? "one card per layer, a row per pass" : "a card for every pass"]);
  const choose = (view) => page.setView(view);
  host.replaceChildren(makeSegments(choices, page.store.state.view, choose, "Passes"));
}
