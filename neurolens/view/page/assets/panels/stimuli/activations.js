/** Activation maps of a chosen stimulus for an op. */
import { pickColor, readHex } from "../../core/colors.js";
import { makeHtml } from "../../core/dom.js";
import { makeThumb } from "./thumbs.js";

const SIZE = 132;

/** Bytes of a base64 text. */
export function decodeBytes(text) {
  return Uint8Array.from(atob(text ?? ""), (character) => character.charCodeAt(0));
}

/** Where the map of an op and a stimulus starts in the bytes, and its sides; null if none. */
export function locateMap(activations, op, k) {
  const at = activations.ops.indexOf(op);
  if (at < 0) return null;
  const nStimuli = activations.stimuli.length;
  let start = 0;
  for (let i = 0; i < at; i += 1) start += activations.side[i][0] * activations.side[i][1] * nStimuli;
  const [height, width] = activations.side[at];
  return { start: start + k * height * width, height, width };
}

/** The panel of an op; null where no maps were kept: they are of the page's own model only. */
export function makeActivationPanel(page, op) {
  const { activations, stimuli } = page.doc;
  if (page.look.state.mode === "other" || !activations || !locateMap(activations, op, 0)) return null;
  activations.bytes ??= decodeBytes(activations.data);
  page.stimulus ??= 0;
  const canvas = makeHtml("canvas", { role: "img", class: "map" });
  const caption = makeHtml("p", { class: "order" });
  const name = (k) => stimuli?.ids?.[activations.stimuli[k]] ?? `stimulus ${activations.stimuli[k] + 1}`;
  const show = (k) => {
    page.stimulus = k;
    const map = locateMap(activations, op, k);
    paintMap(page.look, canvas, activations.bytes, map);
    canvas.setAttribute("aria-label", `activation of this operation for ${name(k)}`);
    caption.textContent = `${name(k)}, ${map.height} × ${map.width}. ${activations.caption ?? ""}`;
    picks.forEach((pick, i) => pick.setAttribute("aria-pressed", String(i === k)));
  };
  const picks = activations.stimuli.map((stimulus, k) =>
    stimuli
      ? makeThumb(stimuli, stimulus, 30, () => show(k))
      : makeHtml("button", { type: "button", class: "tool", onclick: () => show(k) }, String(stimulus + 1)));
  const panel = makeHtml("section", {}, makeHtml("h3", {}, "Activation ", makeHtml("span", { class: "soft" }, "choose a stimulus")),
    makeHtml("div", { class: "map-row" }, canvas, makeHtml("div", { class: "thumbs" }, picks)), caption);
  show(Math.min(page.stimulus, activations.stimuli.length - 1));
  return panel;
}

/** A map in the ramp of scores. */
function paintMap(look, canvas, bytes, { start, height, width }) {
  canvas.width = width;
  canvas.height = height;
  canvas.style.width = `${SIZE}px`;
  canvas.style.height = `${Math.round((SIZE * height) / width)}px`;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    const color = readHex(pickColor((bytes[start + i] ?? 0) / 255, look.scoreRamp));
    color.forEach((level, channel) => (pixels.data[4 * i + channel] = level));
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}
