/** Facts about an op as [name, value, class]. */
import { formatCount, formatLarge, isKnown } from "../../core/formats.js";

/** All that the recording says of an op. */
export function listFacts(graph, op) {
  const record = graph.ops[op];
  const facts = [["output", [record.shape, record.dtype].filter(Boolean).join("  "), ""]];
  const { params } = record;
  facts.push(["parameters", isKnown(params) ? (params ? formatCount(params) : "none") : "unknown", ""]);
  if (isKnown(record.flops)) facts.push(["FLOPs", formatLarge(record.flops), ""]);
  facts.push(["module", `${record.module || "(model)"}  ${record.moduleClass ?? ""}`, "mono"]);
  facts.push(["call", `${record.function}(${record.settings})`, "mono"]);
  if (record.source) facts.push(["source", record.source, "mono"]);
  facts.push(["position", `${op + 1} of ${graph.ops.length}`, ""]);
  if (record.shares) facts.push(["memory", `shared with ${record.shares}`, ""]);
  for (const read of record.reads) facts.push(describeRead(read));
  return facts;
}

/** A value that Python read; one read by bool chose the path. */
function describeRead(read) {
  const isBranch = read.function === "__bool__" || read.function === "bool";
  const value = read.value === null || read.value === undefined ? "a value" : String(read.value);
  const where = read.source ? `, ${read.source}` : "";
  return [isBranch ? "branch" : "read", isBranch ? `${value} chose the path${where}` : `${value} by ${read.function}${where}`, ""];
}
