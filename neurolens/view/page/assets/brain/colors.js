/** Colors of a map on the vertices of a mesh, and those of its bar. */
import { readBrainCode } from "./mesh.js";

function readHex(color) {
  return [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
}

/** Return the color (red, green, blue) of a share of a ramp. */
export function pickBrainColor(ramp, share) {
  const place = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(place), ramp.length - 2);
  const [one, other] = [readHex(ramp[low]), readHex(ramp[low + 1])];
  return one.map((level, k) => level + (place - low) * (other[k] - level));
}

/** Return where a code of a map stands on its scale, 0 to 1. */
function findShare(map, code) {
  const value = map.names.length ? code : readBrainCode(map, code);
  return (value - map.low) / (map.high - map.low);
}

/** Return the color of each vertex; gray, darker in sulci, where there is no value. */
export function colorBrainVertices(map, codes, sulci, theme, shades) {
  const colors = new Float32Array(3 * codes.length);
  const known = new Map();
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    const key = code || -1 - sulci[i];
    let color = known.get(key);
    if (!color) {
      const gray = 255 * shades[theme][sulci[i]];
      color = code ? pickBrainColor(map.ramps[theme], findShare(map, code)) : [gray, gray, gray];
      known.set(key, color);
    }
    colors.set(color, 3 * i);
  }
  return colors;
}

/** Return the CSS background of the bar: a gradient, or steps of one color for each name. */
export function writeBrainGradient(map, theme) {
  const ramp = map.ramps[theme];
  if (!map.names.length) return `linear-gradient(to top, ${ramp.join(", ")})`;
  const n = map.names.length;
  const stops = map.names.map((_, k) => {
    const color = pickBrainColor(ramp, findShare(map, k + 1)).map(Math.round).join(",");
    return `rgb(${color}) ${(100 * k) / n}% ${(100 * (k + 1)) / n}%`;
  });
  return `linear-gradient(to top, ${stops.join(", ")})`;
}
