// The table of all scores.
import assert from "node:assert/strict";
import test from "node:test";
import { readDocument } from "../../../../neurolens/view/page/assets/core/document.js";
import { listScoredOps, sortOps } from "../../../../neurolens/view/page/assets/panels/report/scores.js";
import { makeDocument } from "./documents.mjs";

test("ops without a score have no row", () => {
  const raw = makeDocument();
  raw.models[0].scores.V1.mean = [null, 0.4, 0.2];
  assert.deepEqual(listScoredOps(readDocument(raw)), [1, 2]);
});

test("rows are sorted by number or by name, unknown ones last in both directions", () => {
  const values = [0.2, null, -0.1, 0.3];
  const read = (op) => values[op];
  assert.deepEqual(sortOps([0, 1, 2, 3], read, false), [2, 0, 3, 1]);
  assert.deepEqual(sortOps([0, 1, 2, 3], read, true), [3, 0, 2, 1]);
  const names = ["relu", "conv", "add"];
  assert.deepEqual(sortOps([0, 1, 2], (op) => names[op], false), [2, 1, 0]);
});
