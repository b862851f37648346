/** Cards of a large graph seen from afar: a rectangle in the color of its first shown region. */
import { makeSvg } from "../core/dom.js";
import { colorScore, findBest, readScore } from "../core/look.js";
import { describeItem } from "./faces.js";

/** Draw a card as one rectangle; best ops keep the frame of their region. */
export function drawSpeck(look, item) {
  const group = makeSvg("g", { class: "card speck", tabindex: -1, role: "button", "aria-label": describeItem(look, item) });
  const { width, height } = item;
  const face = makeSvg("rect", { width, height, rx: 4, class: "face" }, group);
  const [best] = findBest(look, item.ops);
  if (best) {
    const k = look.doc.regionIndex.get(best.id);
    makeSvg("rect", { width, height, rx: 4, class: `frame far-frame stroke-${k}` }, group);
  }
  const paint = (now) => {
    const [region] = now.shown;
    const fill = region ? colorScore(now, readScore(now, region, item.ops[0] ?? -1)) : null;
    face.style.fill = fill ?? "";
  };
  return { group, face, isSpeck: true, paint };
}
