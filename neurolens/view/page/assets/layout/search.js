/** Positions in sorted lists. */

/** First position in a sorted list whose key is not below a value. */
export function bisectLeft(list, value, key) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(list[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First position in a sorted list whose key is above a value. */
export function bisectRight(list, value, key) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value < key(list[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
