/** Keys: walking along the graph, search, zoom, regions, and Escape, which stops or closes. */
import { findById } from "../core/dom.js";

const TYPING = "input:not([type=range], [type=checkbox]), select, textarea";

/** Listen to the keys of a page. */
export function listenToKeys(page) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("dialog")) return;
    if (event.key === "Escape") {
      pressEscape(page, event);
      return;
    }
    if (event.target.id === "search") {
      if (event.key === "Enter") {
        event.preventDefault();
        page.jump(event.shiftKey ? -1 : 1);
      }
      return;
    }
    if (event.target.matches?.(TYPING)) return;
    if (pressOnGraph(page, event) || pressAnywhere(page, event)) event.preventDefault();
  });
}

/** Stop what runs; else leave the search; else close the details. */
function pressEscape(page, event) {
  if (page.stopWork()) return;
  const search = findById("search");
  if (event.target === search || page.search.query) {
    search.value = "";
    page.find("");
    page.drawing.svg.focus({ preventScroll: true });
    return;
  }
  page.select(null);
}

/** Keys that act on a card; whether this was one. */
function pressOnGraph(page, event) {
  const { svg } = page.drawing;
  const onGraph = svg.contains(event.target) || event.target === document.body;
  if (!onGraph) return false;
  if (event.key.startsWith("Arrow")) {
    page.walk(event.key, event.shiftKey);
    return true;
  }
  if (event.key !== "Enter" && event.key !== " ") return false;
  const item = page.focused();
  if (!item || !svg.contains(event.target)) return false;
  page.press(item);
  return true;
}

/** Keys that act on the page; whether this was one. */
function pressAnywhere(page, event) {
  const { key } = event;
  if (/^[0-9]$/.test(key)) return pressDigit(page, Number(key));
  const actions = {
    "/": () => findById("search").select(),
    f: () => page.fit(),
    d: () => page.toggleTheme(),
    "+": () => page.zoom(1.2),
    "=": () => page.zoom(1.2),
    "-": () => page.zoom(1 / 1.2),
    "[": () => page.stepTime(-1),
    "]": () => page.stepTime(1),
  };
  if (!Object.hasOwn(actions, key)) return false;
  actions[key]();
  return true;
}

/** 0: all regions; 1 to 9: a region. */
function pressDigit(page, digit) {
  const { regions } = page.doc;
  if (digit > regions.length) return false;
  page.store.set({ region: digit ? regions[digit - 1].id : "all" });
  return true;
}
