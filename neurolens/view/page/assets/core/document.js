/** The page's JSON (schema 2) as records in which nothing is missing. Names are keys of Maps only. */
import { isKnown } from "./formats.js";

const LISTS = [
  "badges", "facts", "notes", "methods", "references", "provenance", "versions", "summary",
  "sections", "downloads",
];

/** Read the JSON of a page; raises an Error in words for another schema. */
export function readDocument(raw) {
  if (!raw || raw.schema !== 2) {
    throw new Error(`expected the JSON of a page, schema 2, and got schema ${raw && raw.schema}`);
  }
  const read = { title: "NeuroLens", command: "", ...raw };
  for (const name of LISTS) read[name] = raw[name] ?? [];
  read.measure = { name: "score", symbol: "", interval: "", control: "", ...raw.measure };
  read.regions = (raw.regions ?? []).map(readRegion);
  read.regionIndex = new Map(read.regions.map((region, i) => [region.id, i]));
  const base = readGraph(raw.graph);
  read.models = (raw.models ?? []).map((model) => readModel(model, base));
  if (!read.models.length) read.models = [readModel({ id: "model", label: "model" }, base)];
  read.graph = base;
  read.contrasts = new Map(
    Object.entries(raw.contrasts ?? {}).map(([id, of]) => [id, new Map(Object.entries(of ?? {}))]),
  );
  return read;
}

/** A region; its best op is null where none was chosen. */
function readRegion(region) {
  const ceiling = region.ceiling && region.ceiling.some(isKnown) ? region.ceiling : null;
  const best = region.best && isKnown(region.best.op) ? region.best : null;
  return { ceilingNote: "", ...region, name: region.name ?? region.id, ceiling, best };
}

/** A model: its scores by region, its own graph or the first one's. */
function readModel(model, base) {
  const graph = model.graph ? readGraph(model.graph) : base;
  const n = graph.ops.length;
  const scores = new Map(
    Object.entries(model.scores ?? {}).map(([region, of]) => [region, readScores(of, n)]),
  );
  return { ...model, label: model.label ?? model.id, graph, ownGraph: Boolean(model.graph), scores };
}

/** Scores of one region, one value or null per op. */
function readScores(scores, n) {
  const none = new Array(n).fill(null);
  const read = { ...scores, ties: scores.ties ?? [], times: scores.times ?? null };
  for (const name of ["mean", "low", "high", "p", "q"]) read[name] = scores[name] ?? none;
  read.hasQ = read.q.some(isKnown);
  read.subjects = scores.subjects ?? null;
  return read;
}

/** A graph: ops and views of it. */
function readGraph(graph) {
  const read = { inputs: [], outputs: [], root: "", ...graph };
  read.modules = new Map(Object.entries(read.modules ?? {}));
  read.ops = (graph.ops ?? []).map((op) => ({ label: "", reads: [], settings: "", ...op }));
  read.views = graph.views.map(readView);
  read.texts = null;
  return read;
}

/** One way to show the graph: nodes, runs of modules and edges. */
function readView(view) {
  const nodes = view.nodes.map(([kind, name, label, ops, run, shape, generated, nOutputs, steps]) => ({
    kind, name, label: label ?? "", ops, run, shape: shape ?? "", generated: Boolean(generated),
    nOutputs: nOutputs ?? 1, steps: steps ?? ops.map((_, i) => i + 1),
  }));
  const runs = view.runs.map(
    ([key, address, moduleClass, title, call, part, parent, depth, first, last], index) => {
      const ops = nodes.slice(first, last + 1).flatMap((node) => node.ops);
      return {
        key, address, moduleClass: moduleClass ?? "", title, call, part: part ?? "", parent, depth,
        first, last, ops, index,
      };
    },
  );
  const edges = view.edges
    .filter(([, , , leftOut]) => !leftOut)
    .map(([tail, head, role]) => ({ tail, head, role }));
  const nodeOf = new Map();
  nodes.forEach((node, i) => node.ops.forEach((op) => nodeOf.set(op, i)));
  const nLeftOut = view.edges.length - edges.length;
  return { rolled: Boolean(view.rolled), nodes, runs, edges, nodeOf, nLeftOut };
}

/** The runs around a node, innermost first. */
export function listRunsAround(view, run) {
  const around = [];
  for (let i = run; i >= 0; i = view.runs[i].parent) around.push(i);
  return around;
}
