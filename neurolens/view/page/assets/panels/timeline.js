/** Time bins: a slider, and play, which walks through them until it is stopped. */
import { makeHtml } from "../core/dom.js";
import { findOpeningTime, listTimes } from "../core/scores.js";

const PAUSE = 400; // milliseconds per bin

/** Fill the controls of time; they stay the same elements while it plays. */
export function fillTimeline(page, host) {
  const labels = listTimes(page.doc);
  if (!labels.length) return;
  if (!host.firstChild) buildTimeline(page, host, labels);
  const { time } = page.store.state;
  const { all, slider, output, play } = host.parts;
  all.setAttribute("aria-pressed", String(time === null));
  slider.value = time ?? 0;
  slider.classList.toggle("off", time === null);
  output.textContent = time === null ? "all bins" : labels[time];
  slider.setAttribute("aria-valuetext", output.textContent);
  play.textContent = page.timer ? "Stop" : "Play";
}

/** The elements. */
function buildTimeline(page, host, labels) {
  const all = makeHtml("button", { type: "button", class: "tool", title: "the score that is given for all time bins", onclick: () => page.setTime(null) }, "All time");
  const slider = makeHtml("input", {
    type: "range", min: 0, max: labels.length - 1, step: 1, "aria-label": "Time bin",
    oninput: (event) => page.setTime(Number(event.target.value)),
  });
  const play = makeHtml("button", { type: "button", class: "tool", onclick: () => togglePlay(page) }, "Play");
  const output = makeHtml("output", {});
  all.hidden = findOpeningTime(page.doc) !== null; // Then the scores are of a bin, never of all.
  host.parts = { all, slider, output, play };
  host.append(makeHtml("span", { class: "label" }, "Time"), all, slider, output, play);
}

/** Start from the bin after the one shown, or stop. */
export function togglePlay(page) {
  if (stopPlay(page)) return;
  const n = listTimes(page.doc).length;
  const advance = () => {
    const { time } = page.store.state;
    const next = time === null ? 0 : time + 1;
    if (next >= n) stopPlay(page);
    else page.store.set({ time: next });
  };
  page.timer = setInterval(advance, PAUSE);
  if (page.store.state.time === n - 1) page.store.set({ time: 0 });
  else advance();
}

/** Stop playing; whether it played. */
export function stopPlay(page) {
  if (!page.timer) return false;
  clearInterval(page.timer);
  page.timer = null;
  page.showTime();
  return true;
}
