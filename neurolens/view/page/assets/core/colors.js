/** Colors of scores and of differences, and the text that can be read on them. */

const N_COLORS = 1025;
// Lightness is symmetric about the middle, which is the color of "no difference".
const DIVERGING = {
  light: ["#7A2F05", "#A85516", "#CF8A4B", "#E9C39C", "#F4F1EA", "#C3C3E6", "#8F8BCB", "#6654A8", "#43267E"],
  dark: ["#FFD9AE", "#F0AC6B", "#BF7A3B", "#75502F", "#242A36", "#4A4C86", "#7C78C8", "#AFA9F2", "#DEDBFF"],
};

/** Channels of "#RRGGBB", 0 to 255. */
export function readHex(color) {
  return [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
}

/** The color at a share of a ramp, clamped to 0 to 1; null for what is no number. */
export function pickColor(share, ramp) {
  if (typeof share !== "number" || !Number.isFinite(share)) return null;
  const step = Math.min(Math.floor(Math.min(Math.max(share, 0), 1) * N_COLORS), N_COLORS - 1);
  const position = (step / (N_COLORS - 1)) * (ramp.length - 1);
  const low = Math.min(Math.floor(position), ramp.length - 2);
  const one = readHex(ramp[low]);
  const other = readHex(ramp[low + 1]);
  const levels = one.map((level, i) => Math.round(level + (position - low) * (other[i] - level)));
  return "#" + levels.map((level) => level.toString(16).padStart(2, "0").toUpperCase()).join("");
}

/** The ramp of differences, from "smaller" to "larger". */
export function pickDivergingRamp(dark) {
  return dark ? DIVERGING.dark : DIVERGING.light;
}

/** Relative luminance (WCAG) of "#RRGGBB". */
function measureLight(color) {
  const linear = readHex(color).map((level) => {
    const share = level / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

/** WCAG contrast ratio of two colors, 1 to 21. */
export function measureContrast(one, other) {
  const [dim, bright] = [measureLight(one), measureLight(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dim + 0.05);
}

const textColors = new Map();

/** Black or white, whichever has more contrast on a fill. */
export function pickTextColor(fill) {
  if (!textColors.has(fill)) {
    const black = measureContrast("#000000", fill);
    textColors.set(fill, black >= measureContrast("#FFFFFF", fill) ? "#000000" : "#FFFFFF");
  }
  return textColors.get(fill);
}
