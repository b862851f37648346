/** The state of the page: everything that a user can change, in one record. */
import { findOpeningTime } from "./scores.js";

// How many regions have cells unless others are chosen: more make cards wider than their names.
const N_CELLS = 8;

/** The state in which a page opens. */
export function makeState(doc) {
  return {
    region: doc.regions.length === 1 ? doc.regions[0].id : "all",
    chosen: doc.regions.slice(0, N_CELLS).map((region) => region.id),
    selected: null,
    time: findOpeningTime(doc),
    mode: "this",
    other: 1,
    view: 0,
    theme: null,
    folds: "auto",
    folded: new Set(),
  };
}

/** A store: `set` merges a patch and tells the listeners which names changed. */
export function createStore(state) {
  const listeners = [];
  const store = {
    state,
    listen: (listener) => listeners.push(listener),
    set(patch) {
      const changed = new Set(Object.keys(patch).filter((name) => store.state[name] !== patch[name]));
      if (!changed.size) return;
      store.state = { ...store.state, ...patch };
      for (const listener of listeners) listener(store.state, changed);
    },
  };
  return store;
}
