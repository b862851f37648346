/** Scores of an op for every region. */
import { makeHtml } from "../../core/dom.js";
import { formatInterval, formatP, formatScore, isKnown } from "../../core/formats.js";
import { describeContrast } from "../answer.js";
import { pickCeiling, pickScores } from "../../core/scores.js";
import { drawBullet, findAxis } from "../bullets.js";

const WIDTH = 168;
const N_REGIONS = 12; // more are listed by the chosen ones only

/** The table; null where there are no scores. */
export function makeScoreTable(page, op) {
  const { doc, look } = page;
  if (!doc.regions.length) return null;
  const regions = doc.regions.length > N_REGIONS ? look.chosen : doc.regions;
  const axis = findAxis(doc);
  const rows = regions.flatMap((region) => listRows(page, axis, region, op));
  const { measure } = doc;
  const what = [measure.name, measure.interval, nameModel(look), nameTime(look)].filter(Boolean).join(", ");
  const title = makeHtml("h3", {}, "Scores ", makeHtml("span", { class: "soft" }, what));
  const note = look.signed ? "dot: difference of the scores of this operation" : listSigns(page, regions, op).join(" · ");
  return makeHtml("section", {}, title, makeHtml("table", { class: "scores" }, makeHtml("tbody", {}, rows)),
    makeHtml("p", { class: "axis-note" }, note));
}

/** The model, where there are several. */
function nameModel(look) {
  if (look.doc.models.length < 2 || look.state.mode === "this") return "";
  if (look.state.mode === "other") return look.model.label;
  return `${look.doc.models[0].label} − ${look.doc.models[look.state.other].label}`;
}

/** The time bin, where one is chosen. */
function nameTime(look) {
  if (look.state.time === null) return "";
  for (const scores of look.model.scores.values()) {
    if (scores.times) return String(scores.times.labels[look.state.time]);
  }
  return "";
}

/** What the signs of the rows mean, of those that are there. */
function listSigns(page, regions, op) {
  const signs = ["dot: all stimuli"];
  if (regions.some((region) => readSubjects(page.look, region, op).length)) signs.push("small points: subjects");
  if (regions.some((region) => pickCeiling(page.look.state, region))) signs.push("band: noise ceiling");
  const other = findCompared(page);
  if (other) signs.push(`tick: ${other.label}`);
  return signs;
}

/** The model to compare with: the other one of the same graph. */
function findCompared(page) {
  const { doc, look } = page;
  const { mode, other } = look.state;
  if (doc.models.length < 2 || mode === "difference" || doc.models[other].ownGraph) return null;
  return doc.models[mode === "this" ? other : 0];
}

/** Scores of the subjects for an op. */
function readSubjects(look, region, op) {
  const subjects = look.scores.get(region.id)?.subjects;
  return (subjects?.values ?? []).map((values) => values[op]).filter(isKnown);
}

/** Rows of a region: dot and number, notes, the tag of a best op or a tie. */
function listRows(page, axis, region, op) {
  const { doc, look } = page;
  const k = doc.regionIndex.get(region.id);
  const scores = look.scores.get(region.id);
  const value = scores?.mean[op];
  const name = makeHtml("th", { scope: "row", class: `region-${k}`, title: region.name }, region.id);
  if (!isKnown(value)) {
    return [makeHtml("tr", {}, name, makeHtml("td"), makeHtml("td", { class: "num" }, "no score"))];
  }
  const compared = findCompared(page);
  const mode = compared === doc.models[0] ? "this" : "other";
  const control = compared ? pickScores(doc, { ...look.state, mode }, region.id)?.mean[op] : null;
  const drawn = look.signed ? null : drawBullet(axis, WIDTH, {
    k, value, low: scores.low[op], high: scores.high[op], ceiling: pickCeiling(look.state, region), control,
    subjects: readSubjects(look, region, op), filled: true,
  });
  const numbers = [makeHtml("b", {}, formatScore(value)), ` ${formatInterval(scores.low[op], scores.high[op])}`];
  const rows = [makeHtml("tr", {}, name, makeHtml("td", {}, drawn), makeHtml("td", { class: "num" }, numbers))];
  const notes = listNotes(look, region, op, compared, control);
  if (notes.length) rows.push(makeNote(notes.join(" · ")));
  const mark = describeMark(look, region, op);
  if (mark) rows.push(makeNote(makeHtml("b", { class: `region-${k}` }, mark[0]), mark[1]));
  return rows;
}

/** A row of words. */
function makeNote(...content) {
  return makeHtml("tr", { class: "note" }, makeHtml("td"), makeHtml("td", { colspan: 2 }, content));
}

/** q, share of the ceiling, the other model. */
function listNotes(look, region, op, compared, control) {
  const scores = look.scores.get(region.id);
  const value = scores.mean[op];
  const notes = [];
  const q = scores.q[op];
  if (isKnown(q)) notes.push(q <= 0.05 ? `q = ${formatP(q)}`.replace("= <", "<") : `q = ${formatScore(q)}, not significant`);
  const low = pickCeiling(look.state, region)?.[0];
  if (!look.signed && isKnown(low) && low > 0) notes.push(`${Math.round((100 * value) / low)} % of lower ceiling`);
  if (compared && isKnown(control)) notes.push(`${compared.label} ${formatScore(control)}`);
  return notes;
}

/** Whether this is the best op of a region, or cannot be told apart from it: [sign, words]. */
function describeMark(look, region, op) {
  if (look.state.mode === "other") return null;
  const { best } = region;
  if (best?.op === op) {
    const range = formatInterval(best.low, best.high);
    const parts = [`held-out ${formatScore(best.heldout)} ${range}`.trim()];
    if (isKnown(best.agreement)) parts.push(`chosen by ${Math.round(best.agreement * 100)} % of halves`);
    if (best.doubtful) parts.push("the choice is doubtful");
    if (best.contrast) parts.push(describeContrast(best.contrast));
    return [`★ best ${region.id}: `, parts.join(", ")];
  }
  const ties = look.doc.models[0].scores.get(region.id)?.ties ?? [];
  if (look.state.mode === "this" && look.isBaseTime && ties.includes(op)) {
    return ["≈ ", `cannot be told apart from the best op for ${region.id}`];
  }
  return null;
}
