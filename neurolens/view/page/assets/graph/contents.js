/** What stands on the card of a node or of a folded run: one record for its size and its drawing. */
import { formatScore, isKnown } from "../core/formats.js";
import { findBest, findTies } from "../core/look.js";
import {
  cutMiddle, LABEL_LIMIT, NAME_LIMIT, pickPasses, writeMarks, writeShape, writeTag,
} from "../structure/cards.js";

/** Contents of the card of a node. */
export function describeNode(look, node) {
  const shown = describeShown(look, node.ops);
  return {
    ...shown,
    nRows: look.chosen.length && node.kind === "op" ? pickRows(look, node.ops).length : 0,
    ties: findTies(look, node.ops).map((region) => region.id),
    name: cutMiddle(node.name, NAME_LIMIT),
    label: cutMiddle(node.label, LABEL_LIMIT),
    shape: writeShape(node),
  };
}

/** Contents of the card of a folded run. */
export function describeRun(look, run) {
  const name = run.part ? `${run.title} ${run.part}` : run.title;
  return { ...describeShown(look, run.ops), nRows: 0, ties: [], name, label: "", shape: "" };
}

/** Regions, tags of best ops and marks of values that Python read. */
function describeShown(look, ops) {
  const best = findBest(look, ops);
  const texts = best.map(({ id, best: of }) => writeTag(id, formatScore(of.heldout), of.doubtful));
  const reads = ops.flatMap((op) => look.model.graph.ops[op].reads);
  return {
    nRegions: look.chosen.length,
    best,
    texts,
    tags: texts.map((text) => text.short),
    marks: writeMarks(reads),
  };
}

/** Passes that have a row of cells, by position; one where no pass has a score. */
export function pickRows(look, ops) {
  const isScored = look.chosen.some((region) => {
    const mean = look.model.scores.get(region.id)?.mean;
    return mean && ops.some((op) => isKnown(mean[op]));
  });
  if (!isScored) return [0];
  const best = ops.map((op, pass) => (look.bestAt.has(op) ? pass : -1)).filter((pass) => pass >= 0);
  return pickPasses(ops.length, best);
}
