/** Arrows: straight pieces with rounded corners, drawn under the cards. */
import { makeSvg } from "../core/dom.js";
import { round } from "../core/formats.js";

const RADIUS = 6;
const TIPS = { main: "tip", shortcut: "tip-soft", loop: "tip-loop" };

/** The path of an arrow through its corners. */
export function writePath(points, radius = RADIUS) {
  const corners = points.filter((point, i) => {
    return !i || Math.hypot(point[0] - points[i - 1][0], point[1] - points[i - 1][1]) > 0.5;
  });
  const last = corners.length - 1;
  let path = `M${round(corners[0][0])} ${round(corners[0][1])}`;
  for (let i = 1; i < last; i += 1) path += writeCorner(corners[i - 1], corners[i], corners[i + 1], radius);
  if (last > 0) path += `L${round(corners[last][0])} ${round(corners[last][1])}`;
  return path;
}

/** A line to a corner and the curve around it. */
function writeCorner(before, corner, after, radius) {
  const [x, y] = corner;
  const length = Math.min(
    radius,
    Math.hypot(x - before[0], y - before[1]) / 2,
    Math.hypot(after[0] - x, after[1] - y) / 2,
  );
  const into = [Math.sign(x - before[0]), Math.sign(y - before[1])];
  const out = [Math.sign(after[0] - x), Math.sign(after[1] - y)];
  const start = `${round(x - into[0] * length)} ${round(y - into[1] * length)}`;
  const end = `${round(x + out[0] * length)} ${round(y + out[1] * length)}`;
  return `L${start}Q${round(x)} ${round(y)} ${end}`;
}

/** Draw an arrow and return its element. */
export function drawArrow(arrow, parent) {
  const classes = ["edge", arrow.role === "main" ? "" : arrow.role, arrow.wire ? "wire" : ""];
  return makeSvg(
    "path",
    {
      d: writePath(arrow.points),
      class: classes.filter(Boolean).join(" "),
      "marker-end": `url(#${TIPS[arrow.role] ?? "tip"})`,
    },
    parent,
  );
}

/** The tips that arrows refer to. */
export function drawTips(parent) {
  const definitions = makeSvg("defs", {}, parent);
  for (const [id, style] of [["tip", "tip"], ["tip-soft", "tip soft"], ["tip-loop", "tip loop"]]) {
    const marker = makeSvg(
      "marker",
      {
        id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7,
        markerUnits: "userSpaceOnUse", orient: "auto",
      },
      definitions,
    );
    makeSvg("path", { d: "M0 .8L7.4 4L0 7.2z", class: style }, marker);
  }
  return definitions;
}

/** The rectangle around an arrow: [left, top, right, bottom]. */
export function boundArrow(arrow) {
  const xs = arrow.points.map((point) => point[0]);
  const ys = arrow.points.map((point) => point[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
