/** Widths of text from a table, as neurolens/view/layout/text.py has them. */
import { ADVANCES } from "./advances.js";

const TEXT_EM = 2048;
const TEXT_WIDE = 2048;
const TEXT_EMOJI = 2560;
const TEXT_EMOJIS = [0x1f000, 0x1faff];
const TEXT_NO_WIDTH = [
  [0x0300, 0x036f],
  [0x0483, 0x0489],
  [0x0591, 0x05bd],
  [0x064b, 0x065f],
  [0x1ab0, 0x1aff],
  [0x1dc0, 0x1dff],
  [0x200b, 0x200f],
  [0x202a, 0x202e],
  [0x2060, 0x2064],
  [0x20d0, 0x20ff],
  [0xfe00, 0xfe0f],
  [0xfe20, 0xfe2f],
  [0xfeff, 0xfeff],
  [0xe0001, 0xe01ef],
];

const advanceTables = { regular: readAdvances("regular"), bold: readAdvances("bold") };

/** Width of each code point of a weight. */
function readAdvances(weight) {
  const widths = new Map();
  for (const [first, ...run] of ADVANCES[weight]) {
    run.forEach((width, i) => widths.set(first + i, width));
  }
  return widths;
}

/** Width of a code point that the table does not hold. */
function measureOtherCharacter(code) {
  if (TEXT_NO_WIDTH.some(([first, last]) => first <= code && code <= last)) return 0;
  return TEXT_EMOJIS[0] <= code && code <= TEXT_EMOJIS[1] ? TEXT_EMOJI : TEXT_WIDE;
}

/** Width of a line of text in pixels, without kerning; weights of 600 and more are bold. */
export function measureText(text, size, bold = false) {
  const advances = bold ? advanceTables.bold : advanceTables.regular;
  let total = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    total += advances.get(code) ?? measureOtherCharacter(code);
  }
  return (total * size) / TEXT_EM;
}

/** Text that fits into a width: as it is, or with … in place of its end; "" if not even … fits. */
export function shortenText(text, width, size, bold = false) {
  if (measureText(text, size, bold) <= width) return text;
  const kept = [...text];
  while (kept.length) {
    kept.pop();
    const shorter = kept.join("").replace(/ +$/, "") + "…";
    if (measureText(shorter, size, bold) <= width) return shorter;
  }
  return "";
}
