/** What is visible of a plan, as neurolens/view/layout/tree.py has it: cards in boxes, and links. */

/** A card or box while it is being placed. */
function makeSpot(kind, index, parent, column, first) {
  const spot = {
    kind,
    index,
    parent,
    column,
    first,
    depth: parent ? parent.depth + 1 : 0,
    order: 0,
    position: parent ? parent.children.length : 0,
    weight: 0,
    fed: false,
    loops: false,
    children: [],
    lanes: [],
    channels: [],
    spans: [],
    lane: 0,
    x: 0,
    y: 0,
    width: 0,
    height: 0,
    axis: 0,
    sources: [],
    readers: [],
  };
  if (parent) parent.children.push(spot);
  return spot;
}

/** Y of the bottom of a spot. */
export function bottomOf(spot) {
  return spot.y + spot.height;
}

/** Visible cards and boxes of all columns with the links between them. */
export function buildTree(plan, columns) {
  const nColumns = columns.length ? Math.max(...new Set(columns)) + 1 : 1;
  const roots = Array.from({ length: nColumns }, (_, k) => makeSpot("root", -1, null, k, 0));
  const tree = { roots, spots: [], links: [] };
  const spotOf = growTree(plan, columns, tree);
  linkSpots(plan, spotOf, tree);
  return tree;
}

/** Of each run itself and those around it, outermost first. */
export function listRunsAround(plan) {
  const known = new Map([[-1, []]]);
  return plan.runs.map((_, run) => {
    const missing = [];
    for (let around = run; !known.has(around); around = plan.runs[around]) missing.push(around);
    for (const each of missing.reverse()) {
      known.set(each, [...known.get(plan.runs[each]), each]);
    }
    return known.get(run);
  });
}

/** Make the spots of all nodes and runs; of each node the card that shows it. */
function growTree(plan, columns, tree) {
  const around = listRunsAround(plan);
  const folded = new Set(plan.folded);
  const boxes = [];
  const spotOf = [];
  plan.nodes.forEach(([run], node) => {
    const path = run >= 0 ? around[run] : [];
    let card = spotOf[node - 1];
    if (!card || card.kind !== "module" || !path.includes(card.index)) {
      card = addCard(plan, folded, tree, boxes, tree.roots[columns[node]], node, path);
    }
    card.weight += 1;
    spotOf.push(card);
  });
  for (let i = tree.spots.length - 1; i >= 0; i -= 1) {
    tree.spots[i].parent.weight += tree.spots[i].weight;
  }
  return spotOf;
}

/** Make the card of a node, or of a folded run around it, and the boxes that are new. */
function addCard(plan, folded, tree, boxes, root, node, path) {
  const column = root.column;
  boxes.length = countShared(boxes, path, column);
  let parent = boxes.length ? boxes[boxes.length - 1] : root;
  for (const run of path.slice(boxes.length)) {
    if (folded.has(run)) {
      const [width, height] = plan.foldedSizes[run];
      return addSpot(tree, makeSpot("module", run, parent, column, node), width, height);
    }
    parent = addSpot(tree, makeSpot("box", run, parent, column, node), 0, 0);
    boxes.push(parent);
  }
  const [, width, height] = plan.nodes[node];
  return addSpot(tree, makeSpot("node", node, parent, column, node), width, height);
}

/** How many of the open boxes go on around the next node. */
function countShared(boxes, path, column) {
  if (boxes.length && boxes[0].column !== column) return 0;
  const both = Math.min(boxes.length, path.length);
  let shared = 0;
  while (shared < both && boxes[shared].index === path[shared]) shared += 1;
  return shared;
}

function addSpot(tree, spot, width, height) {
  spot.width = width;
  spot.height = height;
  spot.order = tree.spots.length;
  tree.spots.push(spot);
  return spot;
}

/** Merge edges into links, and note between which siblings each leads. */
function linkSpots(plan, spotOf, tree) {
  const known = new Map();
  for (const [tailNode, headNode, role] of plan.edges) {
    const tail = spotOf[tailNode];
    const head = spotOf[headNode];
    head.fed = true;
    if (tail === head && tailNode !== headNode) continue;
    const key = tail.order * tree.spots.length + head.order;
    const link = known.get(key);
    if (!link) {
      const inside = tail.column === head.column;
      known.set(key, { tail, head, role, start: tail, end: head, inside });
    } else if (link.role !== role && link.role !== "main") {
      link.role = role === "main" ? role : "shortcut";
    }
  }
  tree.links = [...known.values()];
  const told = new Set();
  for (const link of tree.links) {
    if (link.inside) findSiblings(link, told, tree.spots.length);
  }
  for (let i = tree.spots.length - 1; i >= 0; i -= 1) {
    const spot = tree.spots[i];
    spot.parent.fed = spot.parent.fed || spot.fed;
    spot.parent.loops = spot.parent.loops || spot.loops;
  }
}

/** Set start and end of a link within a column; tell these siblings once. */
function findSiblings(link, told, nSpots) {
  let start = link.tail;
  let end = link.head;
  while (start.parent !== end.parent) {
    if (start.depth >= end.depth) start = start.parent;
    else end = end.parent;
  }
  link.start = start;
  link.end = end;
  const key = start.order * nSpots + end.order;
  if (start.position >= end.position) start.parent.loops = true;
  else if (!told.has(key)) {
    told.add(key);
    end.sources.push(start);
    start.readers.push(end);
  }
}
