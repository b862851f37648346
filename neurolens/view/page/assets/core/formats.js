/** How numbers are written, as neurolens/view/style/formats.py has them. */

/** Whether a value is a number that can be drawn. */
export function isKnown(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** A score as briefly as it can be read: ".38"; "–" where there is none. */
export function formatScore(value, digits = 2) {
  if (!isKnown(value)) return "–";
  const text = value.toFixed(digits);
  if (Number(text) === 0) return "." + "0".repeat(digits);
  return text.replace("-", "−").replace(/^(−?)0\./, "$1.");
}

/** A score for a cell, with fewer digits where it is long: "−12", "−153", "−1e6". */
export function formatCell(value) {
  for (const digits of [2, 1, 0]) {
    const text = formatScore(value, digits);
    if (text.length <= 4) return text;
  }
  return value.toExponential(0).replace("+", "").replace("-", "−");
}

/** "[.08, .56]", or nothing where an end is unknown. */
export function formatInterval(low, high) {
  return isKnown(low) && isKnown(high) ? `[${formatScore(low)}, ${formatScore(high)}]` : "";
}

/** A p value as it is reported: "< .001". */
export function formatP(value) {
  if (!isKnown(value)) return "–";
  return value < 0.001 ? "< .001" : formatScore(value, 3);
}

/** A count with separators: "1,024". */
export function formatCount(value) {
  return isKnown(value) ? value.toLocaleString("en") : "–";
}

/** A large count in words of three digits: "1.2 G". */
export function formatLarge(value) {
  if (!isKnown(value)) return "–";
  const steps = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  const step = steps.find(([size]) => value >= size);
  return step ? `${(value / step[0]).toPrecision(3)} ${step[1]}` : String(value);
}

/** Cut text in its middle to at most `limit` characters: both ends distinguish names. */
export function shortenName(text, limit) {
  if (text.length <= limit) return text;
  const tail = Math.floor(((limit - 1) * 2) / 3);
  return text.slice(0, limit - 1 - tail) + "…" + text.slice(text.length - tail);
}

/** A coordinate with one decimal. */
export function round(value) {
  return Math.round(value * 10) / 10;
}

/** "a, b and c". */
export function joinWords(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}
