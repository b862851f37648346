/** Which regions have cells: a list of checkboxes in a dialog. */
import { makeHtml } from "../core/dom.js";

/** Open the dialog; what is ticked is shown when it closes. */
export function openChooser(page, opener) {
  const { doc } = page;
  const { chosen } = page.store.state;
  const boxes = doc.regions.map((region, k) => {
    const box = makeHtml("input", { type: "checkbox", value: region.id, checked: chosen.includes(region.id) });
    const name = makeHtml("b", { class: `region-${k}` }, region.id);
    return { box, label: makeHtml("label", {}, box, " ", name, region.name === region.id ? "" : ` ${region.name}`) };
  });
  const tick = (value) => boxes.forEach(({ box }) => (box.checked = value));
  const button = (text, onclick) => makeHtml("button", { type: "button", class: "tool", onclick }, text);
  const dialog = makeHtml(
    "dialog",
    { class: "chooser", "aria-label": "Regions with cells" },
    makeHtml("h2", {}, "Regions with cells in the graph"),
    makeHtml("div", { class: "boxes" }, boxes.map(({ label }) => label)),
    makeHtml("p", { class: "buttons" }, button("All", () => tick(true)), button("None", () => tick(false)),
      makeHtml("button", { type: "button", class: "tool main", onclick: () => dialog.close("show") }, "Show")),
  );
  dialog.addEventListener("close", () => {
    const picked = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
    dialog.remove();
    opener.isConnected ? opener.focus() : null;
    if (dialog.returnValue === "show" && picked.length) page.setChosen(picked);
  });
  document.body.append(dialog);
  dialog.showModal();
}
