/** Files that the page hands out: names, tables, and how they are saved. */
import { makeHtml } from "../core/dom.js";

/** A file name from a title: letters and digits of any script, "_" for the rest. */
export function nameFile(title, suffix) {
  const stem = title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "");
  return `${stem.slice(0, 80) || "neurolens"}.${suffix}`;
}

/** Save a Blob under a name. */
export function saveBlob(blob, name) {
  const href = URL.createObjectURL(blob);
  const link = makeHtml("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 5000);
}

/** Save a text under a name. */
export function saveText(text, name, kind = "text/plain") {
  const type = kind.includes("/") ? kind : { csv: "text/csv", svg: "image/svg+xml" }[kind] ?? "text/plain";
  saveBlob(new Blob([text], { type: `${type};charset=utf-8` }), name);
}

/** A cell of a CSV file; text that a spreadsheet would run as a formula gets an apostrophe. */
export function writeCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const COLUMNS = ["model", "region", "time", "subject", "op", "position", "function", "module", "shape", "score", "low", "high", "p", "q", "tied_with_best"];

/** All scores of a document as CSV: a row per model, region, op, and time bin or subject. */
export function writeTable(doc) {
  const rows = [COLUMNS];
  for (const model of doc.models) {
    for (const [region, scores] of model.scores) {
      model.graph.ops.forEach((op, i) => {
        const row = (time, subject, values) => [
          model.label, region, time, subject, op.name, i + 1, op.function, op.module, op.shape, ...values,
        ];
        const tied = scores.ties.includes(i) ? "yes" : "";
        const { labels = [], low, high, shown = null } = scores.times ?? {};
        const when = shown === null ? null : String(labels[shown]);
        rows.push(row(when, null, [scores.mean[i], scores.low[i], scores.high[i], scores.p[i], scores.q[i], tied]));
        (scores.subjects?.values ?? []).forEach((values, s) => {
          rows.push(row(when, String(scores.subjects.names[s]), [values[i], null, null, null, null, ""]));
        });
        (scores.times?.mean ?? []).forEach((values, t) => {
          if (t !== shown) rows.push(row(String(labels[t]), null, [values[i], low?.[t]?.[i], high?.[t]?.[i], null, null, ""]));
        });
      });
    }
  }
  return rows.map((row) => row.map(writeCell).join(",")).join("\r\n") + "\r\n";
}
