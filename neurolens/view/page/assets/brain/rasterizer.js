/** A surface drawn into pixels with a depth buffer: needs no graphics card, and runs in node. */

/** Return the directions right, up and toward the viewer for two angles in degrees. */
export function aimBrainCamera(yaw, pitch) {
  const [a, b] = [(yaw * Math.PI) / 180, (pitch * Math.PI) / 180];
  return {
    right: [Math.cos(a), Math.sin(a), 0],
    up: [-Math.sin(a) * Math.sin(b), Math.cos(a) * Math.sin(b), Math.cos(b)],
    toward: [Math.sin(a) * Math.cos(b), -Math.cos(a) * Math.cos(b), Math.sin(b)],
  };
}

function dot(list, i, direction) {
  return list[i] * direction[0] + list[i + 1] * direction[1] + list[i + 2] * direction[2];
}

/** Return how far the vertices of meshes reach from `middle` along a direction, to either side. */
export function measureBrainReach(meshes, direction, middle) {
  let reach = 0;
  for (const { vertices } of meshes) {
    for (let at = 0; at < vertices.length; at += 3) {
      reach = Math.max(reach, Math.abs(dot(vertices, at, direction) - middle));
    }
  }
  return reach;
}

/** Return places on the screen (x, y, depth) of all vertices, and how much light falls on each. */
export function projectBrainMesh(mesh, camera, frame) {
  const n = mesh.vertices.length / 3;
  const places = new Float32Array(3 * n);
  const light = new Float32Array(n);
  for (let i = 0; i < n; i += 1) {
    const at = 3 * i;
    places[at] = frame.width / 2 + frame.zoom * (dot(mesh.vertices, at, camera.right) - frame.x);
    places[at + 1] = frame.height / 2 - frame.zoom * (dot(mesh.vertices, at, camera.up) - frame.z);
    places[at + 2] = dot(mesh.vertices, at, camera.toward);
    light[i] = 0.72 + 0.28 * Math.max(0, dot(mesh.normals, at, camera.toward));
  }
  return { places, light };
}

/** Return empty buffers: colors, depths, and the vertex that each pixel shows (-1: none). */
export function createBrainBuffers(width, height) {
  const n = width * height;
  return {
    width,
    height,
    pixels: new Uint8ClampedArray(4 * n),
    depths: new Float32Array(n).fill(-Infinity),
    shown: new Int32Array(n).fill(-1),
  };
}

/** Draw the faces of a mesh. `colors` has three numbers for each vertex; `mixed` blends them.
 *  `first` is added to the numbers of vertices, so that those of two meshes differ. */
export function drawBrainMesh(buffers, mesh, projected, colors, { mixed, first }) {
  const { places } = projected;
  for (let f = 0; f < mesh.faces.length; f += 3) {
    const [a, b, c] = [mesh.faces[f], mesh.faces[f + 1], mesh.faces[f + 2]];
    const area =
      (places[3 * b] - places[3 * a]) * (places[3 * c + 1] - places[3 * a + 1]) -
      (places[3 * c] - places[3 * a]) * (places[3 * b + 1] - places[3 * a + 1]);
    // Up is down on the screen, so faces toward the viewer have negative areas.
    if (area < 0) fillFace(buffers, projected, colors, [a, b, c], { area, mixed, first });
  }
}

function fillFace(buffers, { places, light }, colors, [a, b, c], { area, mixed, first }) {
  const { width, height, pixels, depths, shown } = buffers;
  const [ax, ay, bx, by] = [places[3 * a], places[3 * a + 1], places[3 * b], places[3 * b + 1]];
  const [cx, cy] = [places[3 * c], places[3 * c + 1]];
  const left = Math.max(0, Math.floor(Math.min(ax, bx, cx)));
  const right = Math.min(width - 1, Math.ceil(Math.max(ax, bx, cx)));
  const top = Math.max(0, Math.floor(Math.min(ay, by, cy)));
  const bottom = Math.min(height - 1, Math.ceil(Math.max(ay, by, cy)));
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const wa = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area;
      const wb = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area;
      const wc = 1 - wa - wb;
      if (wa < 0 || wb < 0 || wc < 0) continue;
      const pixel = y * width + x;
      const depth = wa * places[3 * a + 2] + wb * places[3 * b + 2] + wc * places[3 * c + 2];
      if (depth <= depths[pixel]) continue;
      depths[pixel] = depth;
      const nearest = wa >= wb && wa >= wc ? a : wb >= wc ? b : c;
      shown[pixel] = first + nearest;
      const shade = wa * light[a] + wb * light[b] + wc * light[c];
      for (let k = 0; k < 3; k += 1) {
        const color = mixed
          ? wa * colors[3 * a + k] + wb * colors[3 * b + k] + wc * colors[3 * c + k]
          : colors[3 * nearest + k];
        pixels[4 * pixel + k] = color * shade;
      }
      pixels[4 * pixel + 3] = 255;
    }
  }
}
