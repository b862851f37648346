// Placement, camera, walking, arrows.
import assert from "node:assert/strict";
import test from "node:test";
import { readDocument } from "../../../../neurolens/view/page/assets/core/document.js";
import { makeLook } from "../../../../neurolens/view/page/assets/core/look.js";
import { makeState } from "../../../../neurolens/view/page/assets/core/state.js";
import { boundArrow, writePath } from "../../../../neurolens/view/page/assets/graph/arrows.js";
import { findVisible, fitScene, isInside, meets, revealItem, zoomAt } from "../../../../neurolens/view/page/assets/graph/camera.js";
import { foldLevel, openFolds, placeAgain, placeAll } from "../../../../neurolens/view/page/assets/graph/placement.js";
import { findNext } from "../../../../neurolens/view/page/assets/graph/walking.js";
import { makeDocument } from "./documents.mjs";

const RAMPS = { light: ["#FFFFFF", "#000000"], dark: ["#000000", "#FFFFFF"] };
const FRAME = { width: 1200, height: 700, least: 1, single: false };

function makeScene(folded = new Set()) {
  const doc = readDocument(makeDocument());
  const look = makeLook(doc, makeState(doc), false, RAMPS);
  const view = doc.graph.views[0];
  return { view, look, scene: placeAll(view, look, folded, FRAME) };
}

test("every op has a card, folded or not, and left-out edges are counted", () => {
  const { view, look, scene } = makeScene();
  for (const op of [0, 1, 2]) assert.ok(scene.itemOfOp.get(op).node.ops.includes(op));
  assert.equal(scene.nLeftOut, 1);
  const folded = placeAgain(view, look, new Set([0]), scene);
  assert.equal(folded.itemOfOp.get(1).kind, "module");
  assert.equal(folded.items.length, 3);
  const open = placeAgain(view, look, new Set(), folded);
  assert.deepEqual(open.items.map((i) => i.key), scene.items.map((i) => i.key));
});

test("what opens shows the best op", () => {
  const { view, look } = makeScene();
  assert.ok(!openFolds(view, look, FRAME).has(0));
  assert.deepEqual(foldLevel(view, "ops"), new Set());
});

test("zoom keeps the point under the pointer", () => {
  const camera = { x: 10, y: 20, zoom: 1 };
  const after = zoomAt(camera, 110, 70, 2);
  assert.equal((110 - after.x) / after.zoom, (110 - camera.x) / camera.zoom);
  assert.equal((70 - after.y) / after.zoom, (70 - camera.y) / camera.zoom);
  assert.ok(zoomAt(camera, 0, 0, 1e9).zoom <= 4);
});

test("fit shows all", () => {
  const camera = fitScene({ width: 3000, height: 500 }, { width: 1000, height: 600 });
  assert.ok(camera.x >= 0 && camera.x + 3000 * camera.zoom <= 1000);
});

test("an item out of view is brought in, one in view does not move", () => {
  const box = { width: 800, height: 600 };
  const near = { x: 100, y: 100, width: 100, height: 50 };
  const camera = { x: 0, y: 0, zoom: 1 };
  assert.deepEqual(revealItem(camera, near, box), camera);
  const far = revealItem(camera, { ...near, x: 5000 }, box);
  assert.ok(far.x + 5000 > 0 && far.x + 5100 < 800);
});

test("what is visible", () => {
  const area = findVisible({ x: -100, y: 0, zoom: 2 }, { width: 400, height: 200 }, 0);
  assert.deepEqual(area, { left: 50, top: -0, right: 250, bottom: 100 });
  assert.ok(meets(area, 240, 90, 300, 120) && !meets(area, 260, 0, 300, 50));
  assert.ok(isInside(area, findVisible({ x: -100, y: 0, zoom: 2 }, { width: 400, height: 200 })));
});

test("arrow keys follow the main arrow", () => {
  const { scene } = makeScene();
  const at = (op) => scene.itemOfOp.get(op);
  assert.equal(findNext(scene, at(0), "ArrowDown"), at(1));
  assert.equal(findNext(scene, at(2), "ArrowUp"), at(1));
});

test("paths have round corners and end where they should", () => {
  const path = writePath([[0, 0], [0, 50], [30, 50]]);
  assert.equal(path, "M0 0L0 44Q0 50 6 50L30 50");
  assert.equal(writePath([[0, 0], [0, 0], [0, 9]]), "M0 0L0 9");
  assert.deepEqual(boundArrow({ points: [[3, 1], [0, 9]] }), [0, 1, 3, 9]);
});
