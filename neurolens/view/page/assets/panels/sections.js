/** Sections below the graph: those of a report, methods, references, provenance, downloads. */
import { findById, makeHtml } from "../core/dom.js";
import { makeBlock } from "./blocks.js";

/** Fill the sections; what has colors of the theme is painted again by `page.repaints`. */
export function fillSections(page) {
  const { doc } = page;
  page.repaints = [];
  document.body.classList.toggle("report", doc.sections.length > 0);
  const sections = doc.sections.map((section) => makeSection(page, section));
  const own = [];
  if (doc.methods.length && doc.sections.length) own.push(makeMethods(doc));
  if (doc.references.length) own.push(makeReferences(doc));
  if (doc.provenance.length || doc.versions.length || doc.command) own.push(makeProvenance(doc));
  if (doc.downloads.length) own.push(makeDownloads(doc, page.saveText));
  const all = [...sections, ...own];
  findById("report").replaceChildren(...all);
  findById("report").hidden = !all.length;
  fillContents(all);
}

/** Links to the sections. */
function fillContents(sections) {
  const host = findById("contents");
  host.hidden = !sections.length;
  const links = sections.map((section) =>
    makeHtml("a", { href: `#${section.id}`, onclick: (event) => {
      event.preventDefault(); // The address holds the state of the graph.
      section.scrollIntoView({ behavior: isCalm() ? "auto" : "smooth", block: "start" });
      section.querySelector("h2").focus({ preventScroll: true });
    } }, section.dataset.title),
  );
  host.replaceChildren(...links);
}

/** Whether movement is unwanted. */
function isCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** A section with its title. */
function wrapSection(id, title, ...blocks) {
  const section = makeHtml("section", { id: `section-${id}` }, makeHtml("h2", { tabindex: -1 }, title), blocks);
  section.dataset.title = title;
  return section;
}

/** A section of the document. */
function makeSection(page, section) {
  const blocks = (section.blocks ?? []).map((block) => makeBlock(page, block));
  return wrapSection(section.id, section.title, blocks);
}

/** A button that copies a text. */
function makeCopy(text, label) {
  const button = makeHtml("button", { type: "button", class: "tool copy", onclick: () => copyText(text, button) }, label);
  return button;
}

/** Copy by the clipboard, or select the text where the browser forbids that. */
async function copyText(text, button) {
  const label = button.textContent;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = makeHtml("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    copied = document.execCommand("copy");
    area.remove();
  }
  button.textContent = copied ? "Copied" : "Select the text and copy it";
  setTimeout(() => (button.textContent = label), 1500);
}

/** How the numbers were made. */
function makeMethods(doc) {
  const texts = doc.methods.map((text) => makeHtml("p", {}, text));
  return wrapSection("methods", "Methods", makeCopy(doc.methods.join("\n\n"), "Copy methods"), texts);
}

/** References and their BibTeX. */
function makeReferences(doc) {
  const bibtex = doc.references.map((entry) => entry.bibtex).filter(Boolean).join("\n\n");
  const items = doc.references.map((entry) => makeHtml("li", {}, entry.text));
  const details = bibtex ? makeHtml("details", {}, makeHtml("summary", {}, "BibTeX"), makeHtml("pre", {}, bibtex)) : null;
  return wrapSection("references", "References", bibtex ? makeCopy(bibtex, "Copy BibTeX") : null, makeHtml("ol", {}, items), details);
}

/** Seeds, hashes, versions and the command that made the page. */
function makeProvenance(doc) {
  const rows = doc.provenance.flatMap(([key, value]) => [makeHtml("dt", {}, key), makeHtml("dd", {}, String(value))]);
  const versions = doc.versions.length ? [makeHtml("dt", {}, "versions"), makeHtml("dd", {}, doc.versions.join(" · "))] : [];
  const command = doc.command ? [makeCopy(doc.command, "Copy command"), makeHtml("pre", {}, doc.command)] : [];
  return wrapSection("provenance", "Settings and provenance", makeHtml("dl", {}, rows, versions), command);
}

/** Files that the page carries. */
function makeDownloads(doc, save) {
  const buttons = doc.downloads.map((file) =>
    makeHtml("button", { type: "button", class: "tool", onclick: () => save(file.text, file.name, file.kind) }, file.name));
  return wrapSection("downloads", "Downloads", makeHtml("p", { class: "buttons" }, buttons));
}
