/** Search over ops: all words, in name, function, class and shape. */

const BATCH = 2000; // ops between two looks at the queue of events

/** What is searched of each op; computed once per graph. */
function listTexts(graph) {
  graph.texts ??= graph.ops.map((op) =>
    `${op.name} ${op.function} ${op.label} ${op.moduleClass ?? ""} ${op.shape}`.toLowerCase());
  return graph.texts;
}

/** Find ops: steps of a task; `found` is filled with their positions. */
export function* findOps(graph, query, found) {
  const words = query.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return;
  const texts = listTexts(graph);
  for (let op = 0; op < texts.length; op += 1) {
    if (words.every((word) => texts[op].includes(word))) found.push(op);
    if (op % BATCH === BATCH - 1) yield op;
  }
}

/** The state of a search: its hits and which of them was jumped to. */
export function makeSearch() {
  return { query: "", hits: [], at: -1 };
}

/** The next hit (1) or the one before (-1); null where there is none. */
export function stepSearch(search, direction) {
  const { hits } = search;
  if (!hits.length) return null;
  const start = search.at < 0 && direction < 0 ? 0 : search.at;
  search.at = (start + direction + hits.length) % hits.length;
  return hits[search.at];
}

/** What stands beside the search field. */
export function describeSearch(search) {
  if (!search.query.trim()) return "";
  if (!search.hits.length) return "nothing found";
  const at = search.at >= 0 ? `${search.at + 1} / ` : "";
  return `${at}${search.hits.length} found`;
}

/** Mark the cards that hold a hit. */
export function markHits(svg, scene, search) {
  const hits = new Set(search.hits);
  svg.classList.toggle("searching", Boolean(search.query.trim()));
  for (const item of scene.items) {
    if (item.kind === "box" || !item.element) continue;
    item.element.classList.toggle("hit", item.ops.some((op) => hits.has(op)));
  }
}
