/** Scores of ops (along) at times (down) as one picture under the profile. */
import { pickColor, readHex } from "../../core/colors.js";
import { makeSvg } from "../../core/dom.js";
import { isKnown, round } from "../../core/formats.js";
import { measureText } from "../../layout/text.js";

/** Draw the strip of a panel; `times` = {labels, mean: [per bin][per op]}. */
export function drawHeat(look, panel, times, group) {
  const { x, width, heat } = panel;
  const y = panel.y + panel.height + 8;
  const place = { x: round(x), y, width: round(width), height: heat, preserveAspectRatio: "none" };
  makeSvg("image", { ...place, href: paintHeat(look, times), style: "image-rendering:pixelated" }, group);
  makeSvg("rect", { ...place, class: "heat-frame" }, group);
  if (panel.isFirst) {
    const { labels } = times;
    for (const [label, dy] of [[labels[0], 9], [labels[labels.length - 1], heat]]) {
      const text = fitLabel(label);
      makeSvg("text", { x: round(x - 7), y: y + dy, "text-anchor": "end", class: "key" }, group, text);
    }
  }
  return { y, height: heat, bin: heat / times.mean.length };
}

/** A label that fits left of the panels: without its unit if need be. */
function fitLabel(label) {
  const text = String(label);
  return measureText(text, 11) <= 30 ? text : text.replace(/\s*[a-zµ]+$/i, "").slice(0, 5);
}

/** The picture, a pixel per op and bin, as a data URI. */
function paintHeat(look, times) {
  const rows = times.mean;
  const n = rows[0]?.length ?? 0;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, n);
  canvas.height = Math.max(1, rows.length);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  rows.forEach((row, bin) => {
    row.forEach((value, op) => {
      const color = isKnown(value) ? pickColor(value / look.end, look.ramp) : null;
      if (!color) return;
      const start = 4 * (bin * canvas.width + op);
      readHex(color).forEach((level, i) => (pixels.data[start + i] = level));
      pixels.data[start + 3] = 255;
    });
  });
  context.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
}
