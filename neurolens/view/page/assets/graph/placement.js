/** From a view of the graph and a look to a placed scene whose items know what they show. */
import { chooseFolds } from "../layout/choice.js";
import { layOut, listColumns, placeInColumns } from "../layout/scene.js";
import { describeNode, describeRun } from "./contents.js";
import { measureCard, measureFolded, measureTitle } from "../structure/cards.js";

const sizes = new WeakMap(); // of a view: the plan of its cards, for one version of them

/** What is placed, with the size of every card; `folded` are positions of runs. */
function makePlan(view, look, folded) {
  const known = sizes.get(view);
  const plan = known?.version === look.cardVersion ? known.plan : measureCards(view, look);
  sizes.set(view, { version: look.cardVersion, plan });
  return { ...plan, folded: [...folded] };
}

/** A plan without folds. */
function measureCards(view, look) {
  const nodes = view.nodes.map((node) => {
    const size = measureCard(node, describeNode(look, node));
    return [node.run, size[0], size[1], node.kind !== "op"];
  });
  return {
    nodes,
    runs: view.runs.map((run) => run.parent),
    titles: view.runs.map(measureTitle),
    foldedSizes: view.runs.map((run) => measureFolded(run, describeRun(look, run))),
    edges: view.edges.map((edge) => [edge.tail, edge.head, edge.role]),
  };
}

/** Place everything anew. */
export function placeAll(view, look, folded, frame) {
  const plan = makePlan(view, look, folded);
  const placed = layOut(plan, frame);
  return describeScene(view, placed, listColumns(plan, placed));
}

/** Place again what a change of folds moves; the cut into columns stays. */
export function placeAgain(view, look, folded, scene) {
  const plan = makePlan(view, look, folded);
  return describeScene(view, placeInColumns(plan, scene.columns), scene.columns);
}

/** The runs to fold so that the graph fits a frame; those of best ops are opened first. */
export function openFolds(view, look, frame) {
  const wanted = [];
  for (const region of look.doc.regions) {
    const node = region.best && look.state.mode !== "other" ? view.nodeOf.get(region.best.op) : undefined;
    if (node !== undefined && !wanted.includes(node)) wanted.push(node);
  }
  const depths = view.runs.map((run) => run.depth);
  return new Set(chooseFolds(makePlan(view, look, []), frame, wanted, depths));
}

/** The runs that a level of detail folds: "modules" (outermost useful level) or "ops" (none). */
export function foldLevel(view, level) {
  if (level === "ops") return new Set();
  const nOuter = view.runs.filter((run) => run.depth === 0).length;
  const depth = nOuter > 2 ? 0 : 1;
  return new Set(view.runs.filter((run) => run.depth >= depth).map((run) => run.index));
}

/** Items with what they stand for, arrows with their items; `columns` are those of all nodes. */
function describeScene(view, placed, columns) {
  const items = placed.items.map((spot) => {
    const item = { ...spot, outs: [], ins: [], node: null, run: null, element: null };
    if (spot.kind === "node") {
      item.node = view.nodes[spot.index];
      item.ops = item.node.ops;
      item.key = `n${spot.index}`;
    } else {
      item.run = view.runs[spot.index];
      item.ops = item.run.ops;
      item.key = spot.kind === "box" ? `b${spot.index}.${spot.column}` : `r${spot.index}`;
    }
    return item;
  });
  const arrows = placed.arrows.map((arrow) => {
    const drawn = { ...arrow, from: items[arrow.tail], to: items[arrow.head], element: null };
    drawn.from.outs.push(drawn);
    drawn.to.ins.push(drawn);
    return drawn;
  });
  const itemOfKey = new Map(items.map((item) => [item.key, item]));
  const itemOfOp = new Map();
  for (const item of items) {
    if (item.kind !== "box") for (const op of item.ops) itemOfOp.set(op, item);
  }
  const nParts = new Map();
  for (const item of items) {
    if (item.kind === "box") nParts.set(item.index, (nParts.get(item.index) ?? 0) + 1);
  }
  const seen = new Map();
  for (const item of items) {
    if (item.kind !== "box") continue;
    seen.set(item.index, (seen.get(item.index) ?? 0) + 1);
    item.part = seen.get(item.index);
    item.nParts = nParts.get(item.index);
  }
  const { width, height, nColumns } = placed;
  const { nLeftOut } = view;
  return { columns, width, height, nColumns, nLeftOut, items, arrows, itemOfKey, itemOfOp };
}
