/** Where the graph stands in its window: pure arithmetic of pan and zoom. */

export const LEAST_ZOOM = 0.05;
export const MOST_ZOOM = 4;

/** Zoom by a factor about a point of the window. */
export function zoomAt(camera, x, y, factor) {
  const zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, camera.zoom * factor));
  const ratio = zoom / camera.zoom;
  return { x: x - (x - camera.x) * ratio, y: y - (y - camera.y) * ratio, zoom };
}

/** All of a scene in a window of width and height; no larger than `most`. */
export function fitScene(scene, box, most = 1.25) {
  const zoom = Math.max(
    LEAST_ZOOM,
    Math.min(most, (box.width - 12) / scene.width, (box.height - 8) / scene.height),
  );
  return {
    zoom,
    x: (box.width - scene.width * zoom) / 2,
    y: Math.max(2, (box.height - scene.height * zoom) / 2),
  };
}

/** All of the width of a scene, for windows that grow with it. */
export function fitWidth(scene, box, most = 1.15) {
  const zoom = Math.min(most, (box.width - 8) / scene.width);
  return { zoom, x: (box.width - scene.width * zoom) / 2, y: 0 };
}

/** The camera moved as little as needed for an item to be inside, `margin` from the border. */
export function revealItem(camera, item, box, margin = 40) {
  let { x, y, zoom } = camera;
  if (zoom < 0.75) {
    x += item.x * (zoom - 1);
    y += item.y * (zoom - 1);
    zoom = 1;
  }
  const left = x + item.x * zoom;
  const top = y + item.y * zoom;
  const right = left + item.width * zoom;
  const bottom = top + item.height * zoom;
  if (left < margin || right - left > box.width - 2 * margin) x += margin - left;
  else if (right > box.width - margin) x -= right - box.width + margin;
  if (top < margin || bottom - top > box.height - 2 * margin) y += margin - top;
  else if (bottom > box.height - margin) y -= bottom - box.height + margin;
  return { x, y, zoom };
}

/** The part of the scene that a window shows, larger by a share of it on every side. */
export function findVisible(camera, box, share = 0.5) {
  const width = box.width / camera.zoom;
  const height = box.height / camera.zoom;
  return {
    left: -camera.x / camera.zoom - share * width,
    top: -camera.y / camera.zoom - share * height,
    right: -camera.x / camera.zoom + (1 + share) * width,
    bottom: -camera.y / camera.zoom + (1 + share) * height,
  };
}

/** Whether a rectangle of the scene meets another. */
export function meets(area, left, top, right, bottom) {
  return left <= area.right && right >= area.left && top <= area.bottom && bottom >= area.top;
}

/** Whether an area lies inside another. */
export function isInside(inner, outer) {
  return (
    inner.left >= outer.left && inner.right <= outer.right &&
    inner.top >= outer.top && inner.bottom <= outer.bottom
  );
}
