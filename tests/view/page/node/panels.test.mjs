// Answer, profile, RDMs, activation maps, search, tables.
import assert from "node:assert/strict";
import test from "node:test";
import { nameFile, writeCell, writeTable } from "../../../../neurolens/view/page/assets/actions/files.js";
import { describeSearch, findOps, makeSearch, stepSearch } from "../../../../neurolens/view/page/assets/actions/search.js";
import { readDocument } from "../../../../neurolens/view/page/assets/core/document.js";
import { spellAnswer, writeAnswer } from "../../../../neurolens/view/page/assets/panels/answer.js";
import { findAxis } from "../../../../neurolens/view/page/assets/panels/bullets.js";
import { writeCurve, writeRibbon } from "../../../../neurolens/view/page/assets/panels/profile/curves.js";
import { decodeBytes, locateMap } from "../../../../neurolens/view/page/assets/panels/stimuli/activations.js";
import { decodeRanks, locatePair, pickPairs } from "../../../../neurolens/view/page/assets/panels/stimuli/rdms.js";
import { listCategories } from "../../../../neurolens/view/page/assets/panels/stimuli/thumbs.js";
import { makeDocument } from "./documents.mjs";

test("the answer names the best op, its score, ceiling and control", () => {
  const text = spellAnswer(readDocument(makeDocument()));
  assert.equal(text, "V1 is matched best by a.1/relu (held-out ρ = .39 [.30, .45]; noise ceiling .45–.60; interval above random weights, .10).");
});

test("a test of the difference is quoted in its own words", () => {
  const raw = makeDocument();
  raw.regions[0].best.contrast = { text: "above random weights by .29, p = .004" };
  assert.match(spellAnswer(readDocument(raw)), /; above random weights by \.29, p = \.004\)/);
});

test("without best ops, and without regions, nothing is claimed", () => {
  const raw = makeDocument();
  raw.regions.forEach((region) => (region.best = null));
  assert.deepEqual(writeAnswer(readDocument(raw)), ["No best operation was chosen for any region."]);
  assert.deepEqual(writeAnswer(readDocument({ ...raw, regions: [] })), []);
});

test("a summary of the document comes first", () => {
  const raw = { ...makeDocument(), summary: [["Best is ", { op: 0 }, "."]] };
  assert.equal(spellAnswer(readDocument(raw)), "Best is a.0/conv2d.");
});

test("the axis of dots holds every score", () => {
  const axis = findAxis(readDocument(makeDocument()));
  assert.ok(axis.low <= 0 && axis.high >= 0.6);
  const raw = makeDocument();
  raw.regions[0].best.control = -0.4;
  raw.models[1].scores.V1.mean[2] = 0.93;
  const wide = findAxis(readDocument(raw));
  assert.ok(wide.low <= -0.4 && wide.high >= 0.93);
});

test("curves break where scores are missing", () => {
  const scales = { x: (op) => op, y: (value) => value };
  assert.equal(writeCurve([1, 2, null, 3], scales), "M0 1L1 2M3 3h.1");
  assert.equal(writeRibbon([0, null, 0], [1, 1, 1], scales), "M0 1L0 0zM2 1L2 0z");
});

test("pairs of the upper triangle, row by row", () => {
  assert.deepEqual([locatePair(4, 0, 1), locatePair(4, 3, 2), locatePair(4, 1, 2)], [0, 5, 3]);
  assert.deepEqual(pickPairs([9, 0, 1, 2, 3, 8], 4, false, 2), [[0, 2], [1, 3]]);
  assert.deepEqual([...decodeRanks("AB/")], [0, 4, 255]);
});

test("maps lie one op after the other, one stimulus after the other", () => {
  const maps = { ops: [3, 7], stimuli: [0, 4], side: [[2, 3], [1, 1]] };
  assert.deepEqual(locateMap(maps, 3, 1), { start: 6, height: 2, width: 3 });
  assert.deepEqual(locateMap(maps, 7, 1), { start: 13, height: 1, width: 1 });
  assert.equal(locateMap(maps, 5, 0), null);
  assert.deepEqual([...decodeBytes("AAH/")], [0, 1, 255]);
});

test("stretches of categories", () => {
  assert.deepEqual(listCategories({ category: ["a", "a", "b"] }), [{ name: "a", from: 0, to: 1 }, { name: "b", from: 2, to: 2 }]);
  assert.deepEqual(listCategories(null), []);
});

test("search finds ops that have all the words", () => {
  const { graph } = readDocument(makeDocument());
  const search = makeSearch();
  search.query = "A. relu";
  for (const step of findOps(graph, search.query, search.hits)) void step;
  assert.deepEqual(search.hits, [1]);
  assert.equal(stepSearch(search, 1), 1);
  assert.equal(describeSearch(search), "1 / 1 found");
  assert.equal(stepSearch(makeSearch(), 1), null);
});

test("search goes around in both directions", () => {
  const search = { query: "a", hits: [4, 5, 6], at: -1 };
  assert.deepEqual([1, 1, 1, 1].map((step) => stepSearch(search, step)), [4, 5, 6, 4]);
  assert.deepEqual([-1, -1].map((step) => stepSearch(search, step)), [6, 5]);
  assert.equal(stepSearch({ query: "a", hits: [4, 5], at: -1 }, -1), 5);
});

test("tables quote what needs it and run nothing", () => {
  assert.equal(writeCell('a "b", c'), '"a ""b"", c"');
  assert.equal(writeCell("=1+1"), "'=1+1");
  assert.equal(writeCell(-0.5), "-0.5");
  assert.equal(writeCell(NaN), "");
  const lines = writeTable(readDocument(makeDocument())).trim().split("\r\n");
  // 2 models × 3 ops × (mean of the bin shown, one subject in it, the other time bin)
  assert.equal(lines.length, 1 + 2 * 3 * 3);
  assert.equal(lines[1].split(",")[9], "0.1");
  const times = lines.slice(1).map((line) => line.split(",")[2]);
  assert.deepEqual(times.slice(0, 3), ["50 ms", "50 ms", "0 ms"]);
});

test("file names", () => {
  assert.equal(nameFile("ResNet-50 & V1!", "svg"), "resnet_50_v1.svg");
  assert.equal(nameFile("../..", "csv"), "neurolens.csv");
});
