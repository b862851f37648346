// Lays out the cases on standard input with the page's modules: node run_layout.mjs FOLDER.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(process.argv[2] + "/");
const { layOut, listColumns, placeInColumns } = await import(new URL("scene.js", folder));
const { chooseFolds } = await import(new URL("choice.js", folder));
const { measureText, shortenText } = await import(new URL("text.js", folder));

const answers = {
  scene: ({ plan, frame }) => layOut(plan, frame),
  again: ({ plan, frame }) => placeInColumns(plan, listColumns(plan, layOut(plan, frame))),
  folds: ({ plan, frame, wanted, depths }) => chooseFolds(plan, frame, wanted, depths),
  width: ({ text, size, bold }) => measureText(text, size, bold),
  short: ({ text, width, size, bold }) => shortenText(text, width, size, bold),
  time: ({ plan, frame }) => {
    const times = [];
    for (let round = 0; round < 6; round += 1) {
      const start = process.cpuUsage();
      layOut(plan, frame);
      const { user, system } = process.cpuUsage(start);
      times.push((user + system) / 1000);
    }
    return times.slice(1).sort((a, b) => a - b)[2];
  },
};
const cases = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(cases.map((each) => answers[each.ask](each))));
