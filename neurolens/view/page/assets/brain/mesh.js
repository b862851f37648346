/** Surfaces of a brain as they come in the page's JSON: numbers in base64, little-endian. */

/** Return the bytes of a base64 text. */
export function decodeBrainBytes(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** Return one bit for each vertex: whether it lies in a sulcus. */
function unpackBits(bytes, n) {
  const bits = new Uint8Array(n);
  for (let i = 0; i < n; i += 1) bits[i] = (bytes[i >> 3] >> (7 - (i & 7))) & 1;
  return bits;
}

/** Return a unit normal for each vertex: the mean of those of its faces. */
export function computeBrainNormals(vertices, faces) {
  const normals = new Float32Array(vertices.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3];
    const ux = vertices[b] - vertices[a];
    const uy = vertices[b + 1] - vertices[a + 1];
    const uz = vertices[b + 2] - vertices[a + 2];
    const vx = vertices[c] - vertices[a];
    const vy = vertices[c + 1] - vertices[a + 1];
    const vz = vertices[c + 2] - vertices[a + 2];
    const normal = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const corner of [a, b, c]) {
      for (let k = 0; k < 3; k += 1) normals[corner + k] += normal[k];
    }
  }
  for (let i = 0; i < normals.length; i += 3) {
    const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
    for (let k = 0; k < 3; k += 1) normals[i + k] /= length;
  }
  return normals;
}

/** Return the hemispheres of the JSON as typed arrays: vertices in mm, faces, normals, sulci. */
export function decodeBrainMeshes(brain) {
  const decoded = [];
  for (const half of brain.hemispheres) {
    const units = new Int16Array(decodeBrainBytes(half.vertices).buffer);
    const vertices = Float32Array.from(units, (unit) => unit * brain.step);
    const bytes = decodeBrainBytes(brain.faces[half.faces]).buffer;
    const faces = half.wide ? new Uint32Array(bytes) : new Uint16Array(bytes);
    const n = vertices.length / 3;
    decoded.push({
      side: half.side,
      vertices,
      faces,
      normals: computeBrainNormals(vertices, faces),
      sulci: half.sulci ? unpackBits(decodeBrainBytes(half.sulci), n) : new Uint8Array(n),
    });
  }
  return decoded;
}

/** Return the codes of a map on one side: 0 where it has no value. */
export function decodeBrainCodes(map, side) {
  return new Uint16Array(decodeBrainBytes(map.codes[side]).buffer);
}

/** Return the value that a code stands for: a number, a name, or null. */
export function readBrainCode(map, code) {
  if (code === 0) return null;
  if (map.names.length) return map.names[code - 1];
  return map.least + ((code - 1) / 65534) * (map.most - map.least);
}
