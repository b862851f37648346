// The brain viewer: what it decodes, where it draws, which vertex a pixel shows.
import assert from "node:assert/strict";
import test from "node:test";
import {
  colorBrainVertices,
  pickBrainColor,
  writeBrainGradient,
} from "../../../../neurolens/view/page/assets/brain/colors.js";
import {
  computeBrainNormals,
  decodeBrainCodes,
  decodeBrainMeshes,
  readBrainCode,
} from "../../../../neurolens/view/page/assets/brain/mesh.js";
import {
  aimBrainCamera,
  createBrainBuffers,
  drawBrainMesh,
  measureBrainReach,
  projectBrainMesh,
} from "../../../../neurolens/view/page/assets/brain/rasterizer.js";

const encode = (array) => Buffer.from(array.buffer).toString("base64");
const BLACK_WHITE = ["#000000", "#FFFFFF"];

/** A cube with corners at -1 and 1 mm, faces outward. */
function makeCube() {
  const corners = [];
  for (let k = 0; k < 8; k += 1) corners.push(k & 1 ? 100 : -100, k & 2 ? 100 : -100, k & 4 ? 100 : -100);
  const faces = [
    0, 2, 3, 0, 3, 1, 4, 5, 7, 4, 7, 6, 0, 1, 5, 0, 5, 4,
    2, 6, 7, 2, 7, 3, 0, 4, 6, 0, 6, 2, 1, 3, 7, 1, 7, 5,
  ];
  return {
    step: 0.01,
    faces: [encode(Uint16Array.from(faces))],
    hemispheres: [
      { side: "left", vertices: encode(Int16Array.from(corners)), faces: 0, wide: false, sulci: "gA==" },
    ],
  };
}

const NUMBERS = { names: [], low: 0, high: 2, least: 1, most: 3, ramps: { light: BLACK_WHITE } };

test("meshes are decoded: coordinates in mm, faces, sulci, normals outward", () => {
  const [mesh] = decodeBrainMeshes(makeCube());
  assert.equal(mesh.side, "left");
  assert.ok(Math.abs(mesh.vertices[3] - 1) < 1e-6);
  assert.equal(mesh.faces.length, 36);
  assert.deepEqual([...mesh.sulci], [1, 0, 0, 0, 0, 0, 0, 0]);
  for (let i = 0; i < 24; i += 3) {
    const outward = [0, 1, 2].reduce((sum, k) => sum + mesh.vertices[i + k] * mesh.normals[i + k], 0);
    assert.ok(outward > 0.9);
    assert.ok(Math.abs(Math.hypot(...mesh.normals.slice(i, i + 3)) - 1) < 1e-5);
  }
  assert.equal(computeBrainNormals(mesh.vertices, mesh.faces).length, 24);
});

test("codes stand for numbers, names and nothing", () => {
  assert.equal(readBrainCode(NUMBERS, 0), null);
  assert.equal(readBrainCode(NUMBERS, 1), 1);
  assert.equal(readBrainCode(NUMBERS, 65535), 3);
  assert.equal(readBrainCode({ names: ["a", "b"] }, 2), "b");
  const map = { codes: { left: encode(Uint16Array.from([0, 1, 65535])) } };
  assert.deepEqual([...decodeBrainCodes(map, "left")], [0, 1, 65535]);
});

test("colors go along the ramp, and are gray without a value", () => {
  assert.deepEqual(pickBrainColor(BLACK_WHITE, 0.5), [127.5, 127.5, 127.5]);
  assert.deepEqual(pickBrainColor(BLACK_WHITE, -3), [0, 0, 0]);
  assert.deepEqual(pickBrainColor(BLACK_WHITE, 9), [255, 255, 255]);
  const shades = { light: [0.8, 0.4] };
  const colors = colorBrainVertices(NUMBERS, [0, 0, 1, 65535], [0, 1, 0, 0], "light", shades);
  assert.deepEqual([0, 3, 6, 9].map((i) => Math.round(colors[i])), [204, 102, 128, 255]);
  const names = { names: ["a", "b", "c"], low: 1, high: 3, ramps: { light: BLACK_WHITE } };
  const named = colorBrainVertices(names, [1, 2, 3], [0, 0, 0], "light", shades);
  assert.deepEqual([named[0], named[3], named[6]], [0, 127.5, 255]);
});

test("the bar is a gradient, or one step for each name", () => {
  assert.equal(writeBrainGradient(NUMBERS, "light"), "linear-gradient(to top, #000000, #FFFFFF)");
  const names = { names: ["a", "b"], low: 1, high: 2, ramps: { light: BLACK_WHITE } };
  assert.equal(
    writeBrainGradient(names, "light"),
    "linear-gradient(to top, rgb(0,0,0) 0% 50%, rgb(255,255,255) 50% 100%)",
  );
});

test("cameras look along their axes, with superior above", () => {
  const near = (one, other) => one.forEach((x, k) => assert.ok(Math.abs(x - other[k]) < 1e-9));
  near(aimBrainCamera(0, 0).toward, [0, -1, 0]);
  near(aimBrainCamera(0, 0).right, [1, 0, 0]);
  near(aimBrainCamera(-90, 0).toward, [-1, 0, 0]);
  near(aimBrainCamera(-90, 0).right, [0, -1, 0]);
  near(aimBrainCamera(30, 0).up, [0, 0, 1]);
  near(aimBrainCamera(0, 90).toward, [0, 0, 1]);
  near(aimBrainCamera(0, 90).up, [0, 1, 0]);
  for (const [yaw, pitch] of [[17, 33], [200, -70]]) {
    const { right, up, toward } = aimBrainCamera(yaw, pitch);
    const cross = [
      right[1] * up[2] - right[2] * up[1],
      right[2] * up[0] - right[0] * up[2],
      right[0] * up[1] - right[1] * up[0],
    ];
    near(cross, toward);
  }
});

/** Draw the cube from a side, and return which vertices its pixels show. */
function drawCube(yaw, pitch, mixed = true) {
  const [mesh] = decodeBrainMeshes(makeCube());
  const frame = { width: 41, height: 41, zoom: 15, x: 0, z: 0 };
  const buffers = createBrainBuffers(41, 41);
  const projected = projectBrainMesh(mesh, aimBrainCamera(yaw, pitch), frame);
  const colors = Float32Array.from({ length: 24 }, (_, i) => (i % 3 === 0 ? 20 * Math.floor(i / 3) : 0));
  drawBrainMesh(buffers, mesh, projected, colors, { mixed, first: 100 });
  return { buffers, seen: new Set(buffers.shown) };
}

test("only the near face is seen, where the vertices are", () => {
  const { buffers, seen } = drawCube(0, 0);
  // From the back: corners with y = -1, which are 0, 1, 4 and 5.
  assert.deepEqual([...seen].sort((a, b) => a - b), [-1, 100, 101, 104, 105]);
  const at = (x, y) => buffers.shown[y * 41 + x];
  assert.equal(at(8, 32), 100); // left and inferior
  assert.equal(at(32, 32), 101); // right
  assert.equal(at(8, 8), 104); // superior
  assert.equal(at(1, 1), -1);
  assert.equal(buffers.pixels[3], 0); // transparent
  assert.equal(buffers.pixels[4 * (20 * 41 + 20) + 3], 255);
});

test("the same face hides the others from every side", () => {
  const sides = { "-90,0": [0, 2, 4, 6], "90,0": [1, 3, 5, 7], "180,0": [2, 3, 6, 7], "0,90": [4, 5, 6, 7], "0,-90": [0, 1, 2, 3] };
  for (const [angles, corners] of Object.entries(sides)) {
    const { seen } = drawCube(...angles.split(",").map(Number));
    assert.deepEqual([...seen].sort((a, b) => a - b), [-1, ...corners.map((k) => 100 + k)]);
  }
});

test("names are not mixed, numbers are", () => {
  // Corners have reds of 0, 20, 80 and 100, less up to 28 % of shade: 21 to 57 are mixtures.
  const countMixtures = (mixed) => {
    const { buffers } = drawCube(0, 0, mixed);
    const reds = [...buffers.shown.keys()].map((i) => buffers.pixels[4 * i]);
    return reds.filter((red) => red > 21 && red < 57).length;
  };
  assert.ok(countMixtures(true) > 100);
  assert.equal(countMixtures(false), 0);
});

test("a surface has no holes along its edges", () => {
  const { buffers } = drawCube(33, 21);
  for (let y = 15; y < 26; y += 1) {
    for (let x = 15; x < 26; x += 1) assert.ok(buffers.shown[y * 41 + x] >= 0);
  }
});

test("the reach of meshes is that of the farthest vertex, to either side of the middle", () => {
  const near = { vertices: Float32Array.from([0, 0, 1, 0, 5, -2]) };
  const far = { vertices: Float32Array.from([0, 0, 4, 9, 0, 0]) };
  assert.equal(measureBrainReach([near, far], [0, 0, 1], 0), 4);
  assert.equal(measureBrainReach([near, far], [0, 0, 1], 3), 5);
  assert.equal(measureBrainReach([near], aimBrainCamera(0, 90).up, 0), 5);
});
