/** Which runs are folded when a page opens, as neurolens/view/layout/choice.py has it. */
import { LANE_SIZES } from "./lanes.js";
import { measureZoom } from "./scene.js";
import { listRunsAround } from "./tree.js";

/** Runs to fold so that the graph is readable in a frame and shows wanted nodes (first first). */
export function chooseFolds(plan, frame, wantedNodes, runsDepth) {
  let folded = chooseLevel(plan, frame, runsDepth);
  const around = listRunsAround(plan);
  const refused = new Set();
  for (const node of wantedNodes) {
    const run = plan.nodes[node][0];
    const opened = run >= 0 ? around[run].filter((each) => folded.includes(each)) : [];
    const key = opened.join();
    if (!opened.length || refused.has(key)) continue;
    const fewer = folded.filter((each) => !opened.includes(each));
    if (isReadable({ ...plan, folded: fewer }, frame)) folded = fewer;
    else refused.add(key);
  }
  return folded;
}

/** Fold everything from the deepest depth on at which the graph is readable. */
function chooseLevel(plan, frame, runsDepth) {
  const runs = plan.runs.map((_, run) => run);
  const deepest = runsDepth.reduce((most, depth) => Math.max(most, depth), -1);
  for (let level = deepest + 1; level > 0; level -= 1) {
    const folded = runs.filter((run) => runsDepth[run] >= level);
    if (isReadable({ ...plan, folded }, frame)) return folded;
  }
  return runs;
}

/** Whether the zoom that shows all of a plan in a frame is frame.least or more. */
export function isReadable(plan, frame) {
  const room = (frame.width * frame.height) / frame.least ** 2;
  return measureArea(plan) <= room && measureZoom(plan, frame) >= frame.least;
}

/** Area of all visible cards, each with the gap below it. */
function measureArea(plan) {
  const folded = new Set(plan.folded);
  const hidden = listRunsAround(plan).map((path) => path.some((run) => folded.has(run)));
  let area = 0;
  for (const [run, width, height] of plan.nodes) {
    if (run < 0 || !hidden[run]) area += width * (height + LANE_SIZES.gap);
  }
  plan.runs.forEach((parent, run) => {
    if (!folded.has(run) || (parent >= 0 && hidden[parent])) return;
    const [width, height] = plan.foldedSizes[run];
    area += width * (height + LANE_SIZES.gap);
  });
  return area;
}
