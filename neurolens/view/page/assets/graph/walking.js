/** Which card an arrow key leads to. */

/** The item that a key leads to from `item`, or null. */
export function findNext(scene, item, key) {
  if (key === "ArrowDown") return pickMain(item.outs, "to");
  if (key === "ArrowUp") return pickMain(item.ins, "from");
  return findBeside(scene.items, item, key === "ArrowRight" ? 1 : -1);
}

/** The end of the main arrow, of a shortcut if there is no other; loops are not walked. */
function pickMain(arrows, end) {
  const forward = arrows.filter((arrow) => arrow.role !== "loop");
  return (forward.find((arrow) => arrow.role === "main") ?? forward[0])?.[end] ?? null;
}

/** The nearest card to the right (1) or left (-1). */
function findBeside(items, item, direction) {
  const middle = item.y + item.height / 2;
  let nearest = null;
  let least = Infinity;
  for (const other of items) {
    if (other.kind === "box") continue;
    const beside = direction > 0 ? other.x >= item.x + item.width : other.x + other.width <= item.x;
    if (!beside) continue;
    const distance =
      Math.abs(other.x - item.x) + 2 * Math.abs(other.y + other.height / 2 - middle);
    if (distance < least) {
      least = distance;
      nearest = other;
    }
  }
  return nearest;
}
