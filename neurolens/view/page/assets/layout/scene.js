/** The layout of a whole graph, as neurolens/view/layout/scene.py has it (see docs/layout.md). */
import { chooseColumns } from "./columns.js";
import { placeRows } from "./lanes.js";
import { cornerX, cornerY } from "./channels.js";
import { routeInside } from "./routes.js";
import { partRows } from "./rows.js";
import { buildTree } from "./tree.js";
import { moveTracks, placeLanes } from "./widths.js";
import { assignWays, buildWays, placeWays, routeWire, WIRE_SIZES } from "./wires.js";

export const SCENE_SIZES = { margin: 8, same: 0.015 };

/** Where everything stands, in as many columns as show it largest in a frame. */
export function layOut(plan, frame) {
  return placeInColumns(plan, chooseColumns(plan, frame));
}

/** The same in given columns (of each node), as when a module is folded or unfolded. */
export function placeInColumns(plan, columns) {
  const { tree, corners, top, width, height } = placeAll(plan, columns);
  partRows(tree.links, corners);
  return {
    width: fixPixels(width),
    height: fixPixels(height),
    nColumns: tree.roots.length,
    items: tree.spots.map((spot) => readItem(spot, top)),
    arrows: tree.links.map((link, i) => ({
      tail: link.tail.order,
      head: link.head.order,
      role: link.role,
      wire: !link.inside,
      points: resolveCorners(corners[i], top),
    })),
  };
}

/** Zoom at which layOut shows all of a plan in a frame. */
export function measureZoom(plan, frame) {
  const { width, height } = placeAll(plan, chooseColumns(plan, frame));
  return Math.min(frame.width / width, frame.height / height);
}

/** Column of each node in a scene; nodes of a folded run have the column of its card. */
export function listColumns(plan, scene) {
  const columnOfNode = new Map();
  const columnOfRun = new Map();
  for (const item of scene.items) {
    if (item.kind === "node") columnOfNode.set(item.index, item.column);
    else if (item.kind === "module") columnOfRun.set(item.index, item.column);
  }
  return plan.nodes.map(([innermost], node) => {
    let column = columnOfNode.get(node);
    for (let run = innermost; column === undefined; run = plan.runs[run]) {
      column = columnOfRun.get(run);
    }
    return column;
  });
}

/** Columns numbered from 0 without gaps, a folded run in that of its first node. */
function closeGaps(plan, columns) {
  const outer = listOuterFolded(plan);
  let number = -1;
  let last = -1;
  let around = -1;
  return plan.nodes.map(([run], node) => {
    const folded = run >= 0 ? outer[run] : -1;
    const inside = folded >= 0 && folded === around;
    around = folded;
    if (!inside && (columns[node] !== last || node === 0)) {
      number += 1;
      last = columns[node];
    }
    return number;
  });
}

/** Of each run the outermost folded run around it, itself included; -1 for none. */
function listOuterFolded(plan) {
  const folded = new Set(plan.folded);
  const known = new Map([[-1, -1]]);
  return plan.runs.map((_, run) => {
    const missing = [];
    for (let around = run; !known.has(around); around = plan.runs[around]) missing.push(around);
    for (const each of missing.reverse()) {
      const outer = known.get(plan.runs[each]);
      known.set(each, outer < 0 && folded.has(each) ? each : outer);
    }
    return known.get(run);
  });
}

function placeAll(plan, columns) {
  const tree = buildTree(plan, closeGaps(plan, columns));
  placeRows(tree);
  const ways = buildWays(tree.roots.length);
  const corners = tree.links.map((link) =>
    link.inside ? routeInside(link) : routeWire(link, tree.roots, ways),
  );
  placeLanes(tree, plan);
  assignWays(ways);
  const edges = placeWays(ways, tree.roots, SCENE_SIZES.margin);
  for (const spot of tree.spots) spot.x += edges[spot.column];
  for (const spot of [...tree.roots, ...tree.spots]) moveTracks(spot, edges[spot.column]);
  const band = WIRE_SIZES.bandStart + (ways.nAbove - 1) * WIRE_SIZES.band;
  const top = SCENE_SIZES.margin + (ways.nAbove ? band : 0);
  let depth = 0;
  tree.roots.forEach((root, k) => {
    const n = ways.nBelow[k];
    const below = n ? WIRE_SIZES.belowStart + n * WIRE_SIZES.band : 0;
    depth = Math.max(depth, root.height + below);
  });
  const width = edges[edges.length - 1] + SCENE_SIZES.margin;
  return { tree, corners, top, width, height: top + depth + SCENE_SIZES.margin };
}

function readItem(spot, top) {
  return {
    kind: spot.kind,
    index: spot.index,
    column: spot.column,
    x: fixPixels(spot.x),
    y: fixPixels(spot.y + top),
    width: fixPixels(spot.width),
    height: fixPixels(spot.height),
    axis: fixPixels(spot.x + spot.axis),
  };
}

/** Corners of a line as points, without those where it does not turn. */
function resolveCorners(corners, top) {
  const points = [];
  for (const corner of corners) {
    let point = [fixPixels(cornerX(corner)), fixPixels(cornerY(corner) + top)];
    const n = points.length;
    if (n) {
      point = snapPoint(points[n - 1], point);
      if (point[0] === points[n - 1][0] && point[1] === points[n - 1][1]) continue;
    }
    if (n > 1 && isOnLine(points[n - 2], points[n - 1], point)) points[n - 1] = point;
    else points.push(point);
  }
  return points;
}

/** Remove the hundredth of a pixel by which rounding parts two points of a straight line. */
function snapPoint(before, point) {
  return point.map((v, i) => (Math.abs(v - before[i]) < SCENE_SIZES.same ? before[i] : v));
}

/** Whether three points lie on one horizontal or vertical line. */
function isOnLine(a, b, c) {
  return (a[0] === b[0] && b[0] === c[0]) || (a[1] === b[1] && b[1] === c[1]);
}

/** Round to a hundredth of a pixel, halves up. */
function fixPixels(value) {
  return Math.floor(value * 100 + 0.5) / 100;
}
