/** The scene as SVG. Cards are kept between drawings; of large graphs only what is in view is drawn. */
import { makeSvg } from "../core/dom.js";
import { round } from "../core/formats.js";
import { boundArrow, drawArrow, drawTips } from "./arrows.js";
import { drawBox } from "./boxes.js";
import { findVisible, isInside, meets } from "./camera.js";
import { paintCard } from "./cells.js";
import { drawFace } from "./faces.js";
import { drawSpeck } from "./specks.js";

export const MANY = 3000; // boxes above which only those in view are drawn
const TINY = 0.35; // zoom below which the cards of a large graph are specks of color

/** A drawing in an SVG element; `show` puts a scene there, `look` updates what is in view. */
export function createDrawing(svg) {
  svg.replaceChildren();
  drawTips(svg);
  const viewport = makeSvg("g", { class: "viewport" }, svg);
  const layer = (name) => makeSvg("g", { class: name }, viewport);
  const layers = {
    areas: layer("modules"), edges: layer("edges"), titles: layer("titles"), cards: layer("cards"),
  };
  return { svg, viewport, layers, kept: new Map(), scene: null, look: null, drawn: null, tiny: false };
}

/** Put a scene into the drawing: steps of a task, a batch of cards each; all of it without a box. */
export function* drawScene(drawing, scene, look, camera, box) {
  drawing.scene = scene;
  drawing.look = look;
  for (const name of ["areas", "edges", "titles"]) drawing.layers[name].replaceChildren();
  const isLarge = Boolean(box) && scene.items.length > MANY;
  drawing.tiny = isLarge && camera.zoom < TINY;
  drawing.drawn = isLarge ? findVisible(camera, box) : null;
  const inView = (left, top, right, bottom) =>
    !drawing.drawn || meets(drawing.drawn, left, top, right, bottom);
  const keys = new Set();
  let n = 0;
  for (const item of scene.items) {
    item.element = null;
    if (!inView(item.x, item.y, item.x + item.width, item.y + item.height)) continue;
    if (item.kind === "box") drawArea(drawing, item);
    else placeCard(drawing, item, keys);
    n += 1;
    if (n % 40 === 0) yield n;
  }
  for (const [key, card] of drawing.kept) {
    if (keys.has(key)) continue;
    card.group.remove();
    drawing.kept.delete(key);
  }
  for (const arrow of scene.arrows) {
    arrow.element = null;
    if (!inView(...boundArrow(arrow))) continue;
    arrow.element = drawArrow(arrow, drawing.layers.edges);
    n += 1;
    if (n % 200 === 0) yield n;
  }
}

/** The area of an open module. */
function drawArea(drawing, item) {
  const { group } = drawBox(item, drawing.layers.areas, drawing.layers.titles);
  group.dataset.key = item.key;
  item.element = group;
}

/** A card at its place: the kept one if it still shows the same. */
function placeCard(drawing, item, keys) {
  const { look } = drawing;
  const version = [look.cardVersion, item.width, item.height, drawing.tiny].join("|");
  let card = drawing.kept.get(item.key);
  if (!card || card.version !== version) {
    const fresh = drawing.tiny ? drawSpeck(look, item) : drawFace(look, item);
    fresh.version = version;
    fresh.painted = null;
    fresh.group.dataset.key = item.key;
    if (card) card.group.replaceWith(fresh.group);
    else drawing.layers.cards.appendChild(fresh.group);
    card = fresh;
    drawing.kept.set(item.key, card);
  }
  card.group.setAttribute("transform", `translate(${round(item.x)} ${round(item.y)})`);
  item.element = card.group;
  keys.add(item.key);
  paint(drawing, card, item);
}

/** Paint scores unless they are painted already. */
function paint(drawing, card, item) {
  if (card.painted === drawing.look.paintVersion) return;
  card.painted = drawing.look.paintVersion;
  if (card.isSpeck) card.paint(drawing.look);
  else paintCard(drawing.look, card, item);
}

/** Scores only: another region, time, model or theme on the same scene. */
export function paintScene(drawing, look) {
  drawing.look = look;
  for (const item of drawing.scene.items) {
    const card = item.element && item.kind !== "box" ? drawing.kept.get(item.key) : null;
    if (card) paint(drawing, card, item);
  }
}

/** Whether the camera has left what is drawn of a large graph. */
export function needsDrawing(drawing, camera, box) {
  if (!drawing.drawn) return false;
  if (drawing.tiny !== camera.zoom < TINY) return true;
  return !isInside(findVisible(camera, box, 0), drawing.drawn);
}

/** The item that an element belongs to. */
export function findItem(drawing, element) {
  const group = element.closest?.("[data-key]");
  return group ? (drawing.scene.itemOfKey.get(group.dataset.key) ?? null) : null;
}
