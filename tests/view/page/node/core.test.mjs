// State, scores, address, colors and formats.
import assert from "node:assert/strict";
import test from "node:test";
import { readAddress, writeAddress } from "../../../../neurolens/view/page/assets/core/address.js";
import { measureContrast, pickColor, pickDivergingRamp, pickTextColor } from "../../../../neurolens/view/page/assets/core/colors.js";
import { listRunsAround, readDocument } from "../../../../neurolens/view/page/assets/core/document.js";
import { formatCell, formatInterval, formatLarge, formatP, formatScore, shortenName } from "../../../../neurolens/view/page/assets/core/formats.js";
import { findBest, findTies, makeLook, writeCell } from "../../../../neurolens/view/page/assets/core/look.js";
import { findDifferenceEnd, findScaleEnd, listTicks, pickCeiling, pickScores } from "../../../../neurolens/view/page/assets/core/scores.js";
import { createStore, makeState } from "../../../../neurolens/view/page/assets/core/state.js";
import { createRunner } from "../../../../neurolens/view/page/assets/core/tasks.js";
import { makeDocument } from "./documents.mjs";

const RAMPS = { light: ["#FFFFFF", "#000000"], dark: ["#000000", "#FFFFFF"] };

test("scores are written as in Python", () => {
  assert.equal(formatScore(0.376), ".38");
  assert.equal(formatScore(-0.04), "−.04");
  assert.equal(formatScore(-0.001), ".00");
  assert.equal(formatScore(1), "1.00");
  assert.equal(formatScore(null), "–");
  assert.equal(formatScore(NaN), "–");
  const long = [0.376, -12.34, -153.2, -1234567.8, 0.004, null];
  assert.deepEqual(long.map(formatCell), [".38", "−12", "−153", "−1e6", ".00", "–"]);
  assert.equal(formatInterval(0.1, 0.2), "[.10, .20]");
  assert.equal(formatInterval(null, 0.2), "");
  assert.equal(formatP(0.0001), "< .001");
  assert.equal(formatP(0.0412), ".041");
  assert.equal(formatLarge(1_234_000_000), "1.23 G");
  assert.equal(shortenName("abcdefghij", 6), "ab…hij");
});

test("colors are those of the ramp's ends, clamped, and null without a score", () => {
  assert.equal(pickColor(0, RAMPS.light), "#FFFFFF");
  assert.equal(pickColor(7, RAMPS.light), "#000000");
  assert.equal(pickColor(null, RAMPS.light), null);
  assert.equal(pickColor(NaN, RAMPS.light), null);
});

test("text can be read on every color of a difference", () => {
  for (const dark of [true, false]) {
    for (let share = 0; share <= 1; share += 0.01) {
      const fill = pickColor(share, pickDivergingRamp(dark));
      assert.ok(measureContrast(pickTextColor(fill), fill) >= 4.5);
    }
  }
});

test("a document without parts is read; another schema is refused", () => {
  const bare = { schema: 2, graph: makeDocument().graph };
  const doc = readDocument(bare);
  assert.deepEqual(doc.regions, []);
  assert.equal(doc.models.length, 1);
  assert.throws(() => readDocument({ schema: 1 }), /schema 2/);
});

test("names like __proto__ are only names", () => {
  const raw = JSON.parse(JSON.stringify(makeDocument()).replaceAll('"V1"', '"__proto__"'));
  const doc = readDocument(raw);
  assert.equal(doc.regions[0].id, "__proto__");
  assert.equal(pickScores(doc, makeState(doc), "__proto__").mean[0], 0.1);
  assert.equal({}.mean, undefined);
});

test("runs around a node, innermost first", () => {
  const view = { runs: [{ parent: -1 }, { parent: 0 }] };
  assert.deepEqual(listRunsAround(view, 1), [1, 0]);
  assert.deepEqual(listRunsAround(view, -1), []);
});

test("the difference is this minus the other", () => {
  const doc = readDocument(makeDocument());
  const state = { ...makeState(doc), mode: "difference" };
  const { mean, low } = pickScores(doc, state, "V1");
  assert.deepEqual(mean.map((value) => Number(value?.toFixed(3))), [0.05, 0.3, 0]);
  assert.deepEqual(low, [null, null, null]);
  assert.ok(Math.abs(findDifferenceEnd(doc, state) - 0.35) < 1e-9 || findDifferenceEnd(doc, state) >= 0.3);
});

test("a time bin has its own scores and no q of another", () => {
  const doc = readDocument(makeDocument());
  const state = { ...makeState(doc), time: 0 };
  assert.deepEqual(pickScores(doc, state, "V1").mean, [0, 0.1, 0.2]);
  assert.ok(pickScores(doc, state, "V1").q.every((q) => q === null));
  assert.deepEqual(pickScores(doc, { ...state, time: 1 }, "V1").mean, [0.1, 0.4, 0.2]);
  assert.equal(makeState(doc).time, 1); // the bin that the best ops are of
});

test("ceilings of a time bin", () => {
  const region = { ceiling: [0.4, 0.5], ceilings: [[null, null], [0.2, 0.3]] };
  assert.equal(pickCeiling({ time: 0 }, region), null);
  assert.deepEqual(pickCeiling({ time: 1 }, region), [0.2, 0.3]);
  assert.deepEqual(pickCeiling({ time: null }, region), [0.4, 0.5]);
});

test("the scale reaches every score and lower ceiling", () => {
  assert.ok(findScaleEnd(readDocument(makeDocument())) >= 0.45);
  const ticks = listTicks(0.6).ticks;
  assert.ok(ticks.length <= 7 && ticks[0] === 0);
});

test("best ops, ties and q on cards", () => {
  const doc = readDocument(makeDocument());
  const look = makeLook(doc, makeState(doc), false, RAMPS);
  assert.deepEqual(findBest(look, [1]).map((r) => r.id), ["V1"]);
  assert.deepEqual(findTies(look, [2]).map((r) => r.id), ["V1"]);
  assert.deepEqual(findTies(look, [1, 2]), []); // the best op itself is there
  assert.equal(writeCell(look, doc.regions[0], 0), "(.10)");
  assert.equal(writeCell(look, doc.regions[1], 0), "–");
});

test("best ops are not claimed of another model", () => {
  const doc = readDocument(makeDocument());
  const look = makeLook(doc, { ...makeState(doc), mode: "other" }, false, RAMPS);
  assert.deepEqual(findBest(look, [1]), []);
});

test("an address brings the state back", () => {
  const doc = readDocument(makeDocument());
  const opening = makeState(doc);
  const state = { ...opening, region: "V1", selected: 2, time: 0, mode: "difference", theme: "dark", folds: "own", folded: new Set([0]) };
  const hash = writeAddress(state, opening);
  const back = { ...opening, ...readAddress(hash, doc) };
  assert.deepEqual(back, state);
  assert.equal(writeAddress(opening, opening), "");
});

test("an address that names nothing changes nothing", () => {
  const doc = readDocument(makeDocument());
  for (const hash of ["#", "#%E0%A4%A", "#region=nowhere&op=99&time=9&model=7&show=x&view=4&theme=red",
    "#op=-1&folded=&cells=zz", "#op=1e9", "#folded=0-999999999", "#__proto__=1"]) {
    const found = readAddress(hash, doc);
    assert.equal(found.region, undefined);
    assert.equal(found.selected, undefined);
    assert.ok((found.folded?.size ?? 0) <= 1);
  }
});

test("a store tells only what changed", () => {
  const store = createStore({ a: 1, b: 2 });
  const heard = [];
  store.listen((state, changed) => heard.push([...changed]));
  store.set({ a: 1 });
  store.set({ a: 5, b: 2 });
  assert.deepEqual(heard, [["a"]]);
});

test("a task runs in slices and can be stopped", () => {
  let clock = 0;
  const waiting = [];
  const runner = createRunner((next) => waiting.push(next), () => (clock += 7));
  let steps = 0;
  let ended = "";
  function* work() {
    for (; steps < 50; steps += 1) yield steps;
  }
  runner.start(work(), { done: () => (ended = "done"), stopped: () => (ended = "stopped") });
  assert.ok(steps < 10 && runner.isBusy());
  waiting.shift()();
  assert.ok(runner.stop());
  assert.equal(ended, "stopped");
  const before = steps;
  waiting.forEach((next) => next());
  assert.equal(steps, before);
  assert.equal(runner.stop(), false);
});
