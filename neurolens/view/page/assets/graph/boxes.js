/** Areas of unfolded modules, and their titles above the arrows. */
import { makeSvg } from "../core/dom.js";
import { round } from "../core/formats.js";
import { measureText, shortenText } from "../layout/text.js";

const GRIP = 24;
const MARGIN = 10;

/** Draw the area of an open run; its title goes to another layer. */
export function drawBox(item, areas, titles) {
  const { run } = item;
  const depth = Math.min(run.depth, 2);
  const group = makeSvg(
    "g",
    {
      class: `module depth${depth}`, tabindex: -1, role: "button", "aria-expanded": "true",
      "aria-label": `${run.address}, ${run.moduleClass}, ${run.ops.length} operations, unfolded: fold`,
    },
    areas,
  );
  const place = { x: round(item.x), y: round(item.y), width: round(item.width), rx: 7 };
  makeSvg("rect", { ...place, height: round(item.height), class: "area" }, group);
  makeSvg("rect", { ...place, height: GRIP, class: "grip" }, group);
  const sign = `M${round(item.x + item.width - 17)} ${round(item.y + 12)}h8`;
  makeSvg("path", { d: sign, class: "sign" }, group);
  const title = makeSvg("g", { class: `title depth${depth}` }, titles);
  drawTitle(item, title);
  return { group, title };
}

/** Name of the module, and its class or which part it is, left or right of the axis. */
function drawTitle(item, title) {
  const { run } = item;
  const y = round(item.y + 16);
  const right = item.width - 22;
  const name = shortenText(run.title, right - MARGIN, 12, true);
  const end = MARGIN + measureText(name, 12, true) + 5;
  const axis = item.axis - item.x;
  makeSvg("text", { x: round(item.x + MARGIN), y, class: "module-name" }, title, name);
  const rest = describePart(item);
  const width = measureText(rest, 11);
  let start = null;
  if (end + width < axis - 5 || (end > axis + 5 && end + width < right)) start = end;
  else if (axis + 8 + width < right && end < axis + 4) start = axis + 8;
  else if (item.nParts > 1 && end + width < right) start = end;
  if (start !== null && rest) {
    makeSvg("text", { x: round(item.x + start), y, class: "soft" }, title, rest);
  }
}

/** "2 of 5" for a module that is cut into columns, else its class. */
function describePart(item) {
  if (item.nParts > 1) return `${item.part} of ${item.nParts}`;
  return item.run.part ? `${item.run.moduleClass} ${item.run.part}` : item.run.moduleClass;
}
