/** The head of the page: title, facts and the answer in a sentence whose ops are links. */
import { findById, makeHtml } from "../core/dom.js";
import { formatInterval, formatScore, isKnown, joinWords } from "../core/formats.js";

// With more regions than these the sentence would repeat the table below it.
const N_DETAILED = 2;
const N_NAMED = 6;

/** Fill the head; `select` is called with the op of a link. */
export function fillHead(doc, select) {
  findById("title").textContent = doc.title;
  findById("facts").textContent = doc.facts.join(" · ");
  const badges = doc.badges.map((badge) => makeHtml("span", { class: "badge" }, badge));
  findById("badges").replaceChildren(...badges);
  const sentences = doc.summary.length ? doc.summary : writeAnswer(doc);
  const answer = findById("answer");
  answer.replaceChildren(...sentences.map((sentence) => makeHtml("span", { class: "sentence" }, link(doc, sentence, select), " ")));
  answer.classList.toggle("long", sentences.length > 2);
  answer.hidden = !sentences.length;
  const notes = doc.notes.map((note) => makeHtml("p", {}, note));
  findById("notes").replaceChildren(...notes);
  findById("notes").hidden = !notes.length;
}

/** The words of a sentence with its ops as buttons. */
function link(doc, sentence, select) {
  const parts = Array.isArray(sentence) ? sentence : [sentence];
  return parts.map((part) => (typeof part === "string" ? part : linkOp(doc, part.op, select)));
}

/** A button with the name of an op. */
export function linkOp(doc, op, select, style = "link") {
  const name = doc.graph.ops[op]?.name ?? `op ${op}`;
  const attributes = { type: "button", class: style, title: "show in the graph", onclick: () => select(op) };
  return makeHtml("button", attributes, name);
}

/** The text of the answer. */
export function spellAnswer(doc) {
  const sentences = doc.summary.length ? doc.summary : writeAnswer(doc);
  const spell = (part) => (typeof part === "string" ? part : (doc.graph.ops[part.op]?.name ?? ""));
  return sentences.map((s) => (Array.isArray(s) ? s.map(spell).join("") : s)).join(" ");
}

/** The answer computed from the numbers, where the document brings no summary. */
export function writeAnswer(doc) {
  const known = doc.regions.filter((region) => region.best);
  if (!doc.regions.length) return [];
  if (!known.length) return ["No best operation was chosen for any region."];
  if (doc.regions.length <= N_DETAILED) return [joinParts(known.map((r, i) => describeBest(doc, r, !i)), ", ")];
  const named = known.slice(0, N_NAMED).map((region, i) => [
    `${i ? region.name : raiseFirst(region.name)} by `, { op: region.best.op },
    ` (${formatScore(region.best.heldout)})`,
  ]);
  const more = known.length - named.length;
  const lead = more ? `Best held-out match, first ${named.length} of ${known.length} regions: ` : "Best held-out match: ";
  return [[lead, ...joinParts(named, ", ").slice(0, -1), `; ${countAbove(known)}.`]];
}

/** Clauses to one sentence. */
function joinParts(clauses, comma) {
  return [...clauses.flatMap((clause, i) => (i ? [comma, ...clause] : clause)), "."];
}

/** Best op of a region, with all that is known of it. */
function describeBest(doc, region, isFirst) {
  const { best } = region;
  const range = formatInterval(best.low, best.high);
  const score = `${doc.measure.symbol || doc.measure.name} = ${formatScore(best.heldout)} ${range}`.trim();
  const lead = isFirst ? `${raiseFirst(region.name)} is matched best by ` : `${region.name} by `;
  return [lead, { op: best.op }, ` (held-out ${score}; ${judgeBest(region)})`];
}

/** Ceiling and comparison with random weights; a test is named only where there is one. */
function judgeBest(region) {
  const { best, ceiling } = region;
  const parts = [ceiling ? `noise ceiling ${formatCeiling(ceiling)}` : "no noise ceiling"];
  if (best.contrast) parts.push(describeContrast(best.contrast));
  else if (isKnown(best.control)) {
    const above = isKnown(best.low) && best.low > best.control;
    parts.push(`${above ? "interval above" : "interval not above"} ${best.controlName ?? "random weights"}, ${formatScore(best.control)}`);
  }
  return parts.join("; ");
}

/** The test of a difference in its own words, or with its numbers. */
export function describeContrast(contrast) {
  if (contrast.text) return contrast.text;
  const range = formatInterval(contrast.low, contrast.high);
  return `difference ${formatScore(contrast.difference)} ${range}`.trim();
}

/** "[.37, .67]" of a ceiling as ".37–.67". */
export function formatCeiling(ceiling) {
  if (!ceiling) return "none";
  return isKnown(ceiling[1]) ? `${formatScore(ceiling[0])}–${formatScore(ceiling[1])}` : formatScore(ceiling[0]);
}

/** How many regions lie above random weights, and by which criterion. */
function countAbove(known) {
  const compared = known.filter((region) => isKnown(region.best.control));
  if (!compared.length) return "random weights were not scored";
  const above = compared.filter((region) => isKnown(region.best.low) && region.best.low > region.best.control);
  const count = above.length === compared.length ? "all" : above.length ? `${above.length}` : "none";
  const name = compared[0].best.controlName ?? "random weights";
  return `${count} of ${compared.length} with an interval above ${name}`.replace(/^all of \d+/, "all");
}

/** First letter as a capital. */
function raiseFirst(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
