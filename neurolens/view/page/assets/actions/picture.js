/** The graph as a picture of its own: SVG with resolved colors, legend and title; PNG from it. */
import { findById, makeSvg } from "../core/dom.js";
import { drawLegend } from "../graph/legend.js";
import { measureText } from "../layout/text.js";

const HEAD = 64;
const MARGIN = 12;
const START = "/* graph */";
const END = "/* end graph */";
const TRANSIENT = ["hovered", "selected", "hit", "focused"];

/** The SVG as text. All of the scene must be drawn. */
export function writePicture(page) {
  const { scene, look, drawing } = page;
  const title = [look.doc.title, ...look.doc.badges].join(" · ");
  const least = measureText(title, 12, true) + 420;
  const width = Math.ceil(Math.max(scene.width, least));
  const height = Math.ceil(scene.height + HEAD);
  const copy = drawing.svg.cloneNode(true);
  for (const name of ["style", "tabindex", "role", "id", "aria-label"]) copy.removeAttribute(name);
  copy.setAttribute("class", "picture");
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("viewBox", `0 0 ${width} ${height}`);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.querySelector(".viewport").setAttribute("transform", `translate(0 ${HEAD})`);
  for (const element of copy.querySelectorAll("[tabindex], [data-key], .edge")) {
    for (const name of ["tabindex", "data-key", "aria-expanded"]) element.removeAttribute(name);
    element.classList.remove(...TRANSIENT);
  }
  const style = makeSvg("style", {}, null, resolveStyle(page));
  const ground = makeSvg("rect", { width: "100%", height: "100%", fill: readColor("--page") });
  copy.prepend(style, ground);
  drawHead(page, makeSvg("g", { transform: `translate(${MARGIN} 8)` }, copy), title);
  return new XMLSerializer().serializeToString(copy);
}

/** Rules of the graph with the colors of the theme in place of variables. */
function resolveStyle(page) {
  const sheet = findById("css").textContent;
  const rules = sheet.slice(sheet.indexOf(START) + START.length, sheet.indexOf(END));
  const resolved = rules.replace(/var\((--[\w-]+)\)/g, (_, name) => readColor(name));
  const theme = page.look.dark ? 1 : 0;
  const regions = page.doc.regions.map(({ colors }, k) =>
    `.region-${k},.fill-${k}{fill:${colors[theme]}} .stroke-${k}{stroke:${colors[theme]}}`);
  return resolved + regions.join(" ");
}

/** A color of the theme. */
function readColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Legend, title and what the marks mean. */
function drawHead(page, group, title) {
  const { look } = page;
  const width = drawLegend(look, makeSvg("g", {}, group));
  const x = width ? width + 36 : 0;
  makeSvg("text", { x, y: 12, class: "key strong" }, group, title);
  const shown = look.shown.length ? `regions: ${look.shown.map((region) => region.id).join(" | ")}` : "";
  const time = findById("time").parts?.output.textContent;
  makeSvg("text", { x, y: 28, class: "key" }, group, [look.model.label, shown, time && `time: ${time}`].filter(Boolean).join(" · "));
  const marks = [...findById("marks").children].map((mark) => mark.dataset.words ?? mark.textContent.trim()).filter(Boolean);
  makeSvg("text", { x, y: 44, class: "key" }, group, marks.join(" · "));
}

/** The picture as PNG, `scale` pixels per pixel of the SVG; a promise of a Blob. */
export function paintPicture(text, scale = 2) {
  const size = /viewBox="0 0 (\d+) (\d+)"/.exec(text);
  // Browsers draw nothing at all on canvases that are too large.
  const most = Math.min(scale, 16000 / Number(size[1]), 16000 / Number(size[2]), Math.sqrt(1.2e8 / (Number(size[1]) * Number(size[2]))));
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(Number(size[1]) * most);
      canvas.height = Math.round(Number(size[2]) * most);
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large"))));
    };
    image.onerror = () => reject(new Error("the browser could not read the picture"));
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  });
}
