/** Texts on cards and sizes of cards, as neurolens/view/structure/cards.py and sizes.py have them. */
import { measureText } from "../layout/text.js";

export const NAME_SIZE = 12;
export const TEXT_SIZE = 11;
export const CELL = { width: 32, height: 15 };
export const ROW = 20; // where the rows of cells begin
export const TAG = 16;
export const MARK = 16;
export const MARK_SIGN = 14; // before a mark
export const STRIP = 8;
export const LABEL_LIMIT = 20;
export const NAME_LIMIT = 28;
const REGION_LIMIT = 18;
const VALUE_LIMIT = 12;
const PASS_LABEL = 28;
const PASS_COUNT = 22;
const NAME_GAP = 5;
const SIDE = 8;
const SIGN = 22;
const MOST_NUMBERS = 8;
const MOST_ROWS = 12;
const CELLS_WIDTH = 320;
const LEAST_CELL = 2;
const FEWEST_ALONE = 3;
const SCORE_WIDTH = 80; // ".38 [.30, .45]", which fills the card of a single region
const MOST_TIES = 3;
const TIE_LIMIT = 12;
const MOST_VALUES = 3;

/** Cut text in its middle to at most `limit` code points: both ends distinguish names. */
export function cutMiddle(text, limit) {
  const points = [...text];
  if (points.length <= limit) return text;
  const tail = Math.floor(((limit - 1) * 2) / 3);
  return points.slice(0, limit - 1 - tail).join("") + "…" + points.slice(points.length - tail).join("");
}

/** Shape of a node as it is written: with "+1" where it returned a second tensor. */
export function writeShape(node) {
  return node.nOutputs > 1 ? `${node.shape} +${node.nOutputs - 1}` : node.shape;
}

/** Words that name tied regions: "≈", "V1", "V2", and "+4" for the rest of many. */
export function listTies(ids) {
  const names = ids.slice(0, MOST_TIES).map((id) => cutMiddle(id, TIE_LIMIT));
  const rest = ids.length > MOST_TIES ? [`+${ids.length - MOST_TIES}`] : [];
  return ["≈", ...names, ...rest];
}

/** Tied regions in one line: "≈ V1 V2". */
export function writeTies(ids) {
  return listTies(ids).join(" ");
}

/** Tag of a best op; `short` stands where `text` finds no room. `score` is on held-out stimuli. */
export function writeTag(id, score, doubtful) {
  const region = cutMiddle(id, REGION_LIMIT);
  const doubt = doubtful ? " (in doubt)" : "";
  const short = doubtful ? `★ ${region} ${score}${doubt}` : `★ ${region} ${score} held-out`;
  return { text: `★ best ${region}, held-out ${score}${doubt}`, short };
}

/** Passes that get a row: all, or of many evenly spaced ones and `best`, those that are best ops. */
export function pickPasses(nPasses, best) {
  if (nPasses <= MOST_ROWS) return Array.from({ length: nPasses }, (_, i) => i);
  const picked = new Set(best);
  for (let k = 0; k < MOST_ROWS; k++) picked.add(Math.floor((k * (nPasses - 1)) / (MOST_ROWS - 1)));
  return [...picked].sort((a, b) => a - b);
}

/** What Python did with values: a line for truth values, a line for all others. */
export function writeMarks(reads) {
  const chose = reads.filter((read) => read.function === "__bool__");
  const others = reads.filter((read) => read.function !== "__bool__");
  const marks = [];
  if (chose.length) marks.push(`chose the path: ${listValues(chose)}`);
  if (others.length) {
    const names = [...new Set(others.map((read) => `${read.function}()`))];
    marks.push(`read by ${names.join(", ")}: ${listValues(others)}`);
  }
  return marks;
}

/** Different values in order of reading. */
function listValues(reads) {
  const unique = [...new Set(reads.map((read) => writeValue(read.value)))];
  return unique.slice(0, MOST_VALUES).join(", ") + (unique.length > MOST_VALUES ? ", …" : "");
}

/** A value as briefly as it can be read. */
function writeValue(value) {
  if ([...value].length <= VALUE_LIMIT) return value;
  return /^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(value) ? shortenNumber(Number(value)) : cutMiddle(value, VALUE_LIMIT);
}

/** A number with four digits, as Python's format "g" writes it. */
function shortenNumber(value) {
  if (value === 0) return "0";
  const [digits, power] = value.toExponential(3).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 4) return String(Number(value.toPrecision(4)));
  const sign = exponent < 0 ? "-" : "+";
  return `${Number(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** Least width of one cell of a row. */
export function measureCell(nRegions) {
  if (nRegions <= MOST_NUMBERS) return CELL.width;
  return Math.max(LEAST_CELL, Math.min(CELL.width / 2, CELLS_WIDTH / nRegions));
}

/**
 * Size [width, height] of a node's card. `shown`: nRegions; nRows of cells; ids of tied regions;
 * texts of tags (their short form) and of marks.
 */
export function measureCard(node, shown) {
  if (node.kind !== "op") return measureEnd(node);
  const { nRegions, nRows, ties } = shown;
  const shape = measureText(writeShape(node), TEXT_SIZE);
  let head = measureHead(cutMiddle(node.name, NAME_LIMIT), cutMiddle(node.label, LABEL_LIMIT)) + SIDE + 10;
  if (node.ops.length > 1) head += PASS_COUNT;
  if (ties.length) head += measureText(writeTies(ties), TEXT_SIZE, true) + SIDE;
  const widths = [head, measureLines(shown)];
  if (nRegions) {
    const beside = nRegions < FEWEST_ALONE ? shape + 10 : 0;
    const lead = nRows > 1 ? PASS_LABEL : 0;
    const isWhole = nRegions === 1 && nRows === 1;
    widths.push((isWhole ? SCORE_WIDTH : nRegions * measureCell(nRegions)) + lead + beside + 12, 112);
  } else {
    widths.push(head + shape + 10, 96);
  }
  return [Math.ceil(Math.max(...widths)), ROW + nRows * (CELL.height + 1) + 4 + measureFeet(shown)];
}

/** Size of the card of a folded run; `shown` as for `measureCard`, without ties. */
export function measureFolded(run, shown) {
  const title = run.part ? `${run.title} ${run.part}` : run.title;
  const count = measureText(`${run.ops.length} ops`, TEXT_SIZE);
  const widths = [132, measureText(title, NAME_SIZE, true) + count + 2 * SIGN, measureLines(shown)];
  const { nRegions } = shown;
  if (nRegions) widths.push(nRegions * measureCell(nRegions) + 2 * SIDE);
  const strip = nRegions ? nRegions * STRIP + SIDE : 0;
  return [Math.ceil(Math.max(...widths)), 24 + strip + measureFeet(shown)];
}

/** Width that the title of an open run needs. */
export function measureTitle(run) {
  const rest = run.part ? measureText(run.part, TEXT_SIZE) + NAME_GAP : 0;
  return measureText(run.title, NAME_SIZE, true) + rest + 2 * SIGN;
}

/** Size of an input or output. */
function measureEnd(node) {
  const rest = node.label || node.shape;
  const width = measureText(cutMiddle(node.name, NAME_LIMIT), NAME_SIZE, true) + measureText(rest, TEXT_SIZE);
  return [Math.ceil(width + 30), 24];
}

/** Width of name and label. */
function measureHead(name, label) {
  return measureText(name, NAME_SIZE, true) + (label ? NAME_GAP + measureText(label, TEXT_SIZE) : 0);
}

/** Width that the longest mark or tag needs. */
function measureLines({ marks, tags }) {
  const widths = marks.map((mark) => measureText(mark, TEXT_SIZE) + MARK_SIGN);
  widths.push(...tags.map((tag) => measureText(tag, TEXT_SIZE, true)));
  return widths.length ? Math.max(...widths) + 2 * SIDE : 0;
}

/** Height of marks and tags. */
function measureFeet({ marks, tags }) {
  return MARK * marks.length + TAG * tags.length;
}
