/** Thumbnails of stimuli from one sheet, and what is known of their order. */
import { makeHtml } from "../../core/dom.js";

/** Hand the sheet to the style sheet once: its text is long, and thumbnails are many. */
export function setSheet(stimuli) {
  if (!stimuli || !/^data:image\/[a-z]+;base64,[A-Za-z0-9+/=]*$/.test(stimuli.sprite ?? "")) return;
  document.documentElement.style.setProperty("--sheet", `url(${stimuli.sprite})`);
}

/** A thumbnail of a stimulus, its id where there is no picture. */
export function makeThumb(stimuli, k, size, onclick = null) {
  const id = stimuli.ids[k];
  if (!stimuli.sprite || !/^data:image\//.test(stimuli.sprite)) {
    return makeHtml("span", { class: "thumb text", title: id }, String(id));
  }
  const { columns } = stimuli;
  const rows = Math.ceil(stimuli.ids.length / columns);
  const thumb = makeHtml(onclick ? "button" : "span", {
    class: "thumb", title: id, "aria-label": id, onclick, type: onclick ? "button" : null,
    role: onclick ? null : "img",
  });
  const { style } = thumb;
  style.width = style.height = `${size}px`;
  style.backgroundSize = `${columns * size}px ${rows * size}px`;
  style.backgroundPosition = `-${(k % columns) * size}px -${Math.floor(k / columns) * size}px`;
  return thumb;
}

/** Stretches of one category in the order of the stimuli: [{name, from, to}]. */
export function listCategories(stimuli) {
  const stretches = [];
  (stimuli?.category ?? []).forEach((name, i) => {
    const last = stretches[stretches.length - 1];
    if (last && last.name === name) last.to = i;
    else stretches.push({ name, from: i, to: i });
  });
  return stretches;
}

/** All stimuli with their ids, by category. */
export function makeGallery(stimuli, size = 44) {
  const stretches = listCategories(stimuli);
  const all = stretches.length && stretches.length <= 24
    ? stretches
    : [{ name: "", from: 0, to: stimuli.ids.length - 1 }];
  return all.map(({ name, from, to }) => {
    const thumbs = [];
    for (let k = from; k <= to; k += 1) thumbs.push(makeThumb(stimuli, k, size));
    const title = name ? makeHtml("h3", {}, `${name} (${to - from + 1})`) : null;
    return makeHtml("div", {}, title, makeHtml("p", { class: "thumbs" }, thumbs));
  });
}
