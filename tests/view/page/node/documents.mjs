// A document of three ops in one module, two regions, two models, two time bins.

const op = (name) => ({ name, function: name.split("/")[1], module: "a", shape: "4×2²", reads: [] });

/** The document; every call makes a new one. */
export function makeDocument() {
  const scores = (mean, times) => ({
    mean, low: mean.map((v) => v - 0.1), high: mean.map((v) => v + 0.1), p: mean, q: [0.2, 0.01, 0.01],
    ties: [1, 2], subjects: { names: ["s1"], values: [mean] },
    times: { labels: ["0 ms", "50 ms"], shown: 1, mean: times, low: null, high: null },
  });
  const region = (id, best) => ({
    id, name: id, colors: ["#113B7F", "#5E86F3"], ceiling: [0.45, 0.6], ceilingNote: "", best,
  });
  return {
    schema: 2,
    title: "Three ops",
    measure: { name: "Spearman correlation", symbol: "ρ", interval: "95 %" },
    regions: [region("V1", { op: 1, heldout: 0.39, low: 0.3, high: 0.45, p: 0.01, agreement: 1, control: 0.1 }), region("V2", null)],
    models: [
      { id: "model", label: "trained", scores: { V1: scores([0.1, 0.4, 0.2], [[0, 0.1, 0.2], [0.1, 0.4, 0.2]]) } },
      { id: "other1", label: "random", scores: { V1: scores([0.05, 0.1, 0.2], [[0, 0, 0], [0.05, 0.1, 0.2]]) } },
    ],
    graph: {
      inputs: [], outputs: [2], root: "", modules: {}, ops: [op("a.0/conv2d"), op("a.1/relu"), op("a.2/linear")],
      views: [{
        rolled: false, root: "",
        nodes: [
          ["input", "input", "3", [], -1, "3", false], ["op", "conv2d", "0", [0], 0, "4×2²", false],
          ["op", "relu", "1", [1], 0, "4×2²", false], ["op", "linear", "2", [2], 0, "10", false],
          ["output", "output", "10", [], -1, "10", false],
        ],
        runs: [["a#1", "a", "Block", "a", 1, "", -1, 0, 1, 3]],
        edges: [[0, 1, "main", false], [1, 2, "main", false], [2, 3, "main", false], [1, 3, "shortcut", true], [3, 4, "main", false]],
      }],
    },
  };
}
