/** A brain that can be turned: drag, arrow keys, or the buttons; the pointer reads values. */
import { colorBrainVertices, writeBrainGradient } from "./colors.js";
import { decodeBrainCodes, decodeBrainMeshes, readBrainCode } from "./mesh.js";
import {
  aimBrainCamera,
  createBrainBuffers,
  drawBrainMesh,
  measureBrainReach,
  projectBrainMesh,
} from "./rasterizer.js";

const BRAIN_VIEWS = {
  left: [-90, 0],
  right: [90, 0],
  back: [0, 0],
  front: [180, 0],
  top: [0, 90],
  bottom: [180, -90],
};
const BRAIN_START = { yaw: -40, pitch: 12, zoom: 1 };

function addElement(parent, tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/** Return a value in the words of the readout. */
function describeValue(map, value) {
  if (value === null) return "no value";
  if (typeof value === "string") return value;
  return `${map.label} ${Number(value.toPrecision(3))}`;
}

/** Put a viewer of `brain` (see docs/exchange.md) into an element.
 *  Returns an object whose `setDark(dark)` changes the colors. */
export function mountBrainViewer(parent, brain, dark = false) {
  const meshes = decodeBrainMeshes(brain);
  const state = { ...BRAIN_START, sides: "both", map: 0, theme: dark ? "dark" : "light" };
  const root = addElement(parent, "div", "brain-viewer");
  const tools = addElement(root, "div", "brain-tools");
  const stage = addElement(root, "div", "brain-stage");
  const canvas = addElement(stage, "canvas", "brain-canvas");
  const key = addElement(stage, "div", "brain-key");
  const readout = addElement(root, "div", "brain-readout");
  const notes = addElement(root, "div", "brain-notes");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  let buffers = null;
  let colors = [];
  let codes = [];
  let waiting = false;

  function listVisible() {
    return meshes.filter((mesh) => state.sides === "both" || mesh.side === state.sides);
  }

  function paint() {
    waiting = false;
    const scale = Math.max(1.5, window.devicePixelRatio || 1);
    const width = Math.max(1, Math.round(canvas.clientWidth * scale));
    const height = Math.max(1, Math.round(canvas.clientHeight * scale));
    canvas.width = width;
    canvas.height = height;
    buffers = createBrainBuffers(width, height);
    const reach = state.sides === "both" ? brain.reach[0] : brain.reach[1];
    const camera = aimBrainCamera(state.yaw, state.pitch);
    const center = state.sides === "both" ? [0, 0, 0] : brain.centers[state.sides];
    const along = (direction) => center.reduce((sum, one, k) => sum + one * direction[k], 0);
    const [x, z] = [along(camera.right), along(camera.up)];
    const tall = measureBrainReach(listVisible(), camera.up, z);
    const fit = Math.min(Math.min(width, height * 1.5) / reach, height / tall); // all of it is seen
    const frame = { width, height, zoom: (state.zoom * fit) / 2.1, x, z };
    const mixed = !brain.maps[state.map].names.length;
    let first = 0;
    meshes.forEach((mesh, k) => {
      if (listVisible().includes(mesh)) {
        const projected = projectBrainMesh(mesh, camera, frame);
        drawBrainMesh(buffers, mesh, projected, colors[k], { mixed, first });
      }
      first += mesh.sulci.length;
    });
    canvas.getContext("2d").putImageData(new ImageData(buffers.pixels, width, height), 0, 0);
  }

  function requestPaint() {
    if (!waiting) requestAnimationFrame(paint);
    waiting = true;
  }

  function drawKey(map) {
    key.replaceChildren();
    addElement(key, "div", "brain-label", map.label);
    const body = addElement(key, "div", "brain-bar");
    const bar = addElement(body, "div", "brain-ramp");
    bar.style.background = writeBrainGradient(map, state.theme);
    for (const [place, text] of map.ticks) {
      const tick = addElement(body, "span", "brain-tick", text);
      tick.style.bottom = `${100 * place}%`;
      tick.title = text;
    }
  }

  function showMap() {
    const map = brain.maps[state.map];
    codes = meshes.map((mesh) => decodeBrainCodes(map, mesh.side));
    colors = meshes.map((mesh, k) =>
      colorBrainVertices(map, codes[k], mesh.sulci, state.theme, brain.shades),
    );
    canvas.setAttribute(
      "aria-label",
      `Cortical surface, ${map.name}. Arrow keys turn it, + and - change its size, 0 resets it.`,
    );
    drawKey(map);
    notes.textContent = map.notes.join("; ");
    readout.textContent = "Point at the surface to read a value.";
    requestPaint();
  }

  function turn(yaw, pitch) {
    state.yaw += yaw;
    state.pitch = Math.min(90, Math.max(-90, state.pitch + pitch));
    requestPaint();
  }

  function readPixel(event) {
    const box = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * canvas.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
    let vertex = buffers ? buffers.shown[y * canvas.width + x] : -1;
    if (vertex === undefined || vertex < 0) return;
    for (let k = 0; k < meshes.length; k += 1) {
      if (vertex < codes[k].length) {
        const map = brain.maps[state.map];
        const value = readBrainCode(map, codes[k][vertex]);
        readout.textContent = `${meshes[k].side} vertex ${vertex}: ${describeValue(map, value)}`;
        return;
      }
      vertex -= codes[k].length;
    }
  }

  function addTools() {
    if (brain.maps.length > 1) {
      const chooser = addElement(tools, "select", "brain-chooser");
      chooser.setAttribute("aria-label", "map");
      brain.maps.forEach((map, k) => {
        addElement(chooser, "option", "", map.name).value = String(k);
      });
      chooser.addEventListener("change", () => {
        state.map = Number(chooser.value);
        showMap();
      });
    }
    for (const [name, [yaw, pitch]] of Object.entries(BRAIN_VIEWS)) {
      addElement(tools, "button", "brain-button", name).addEventListener("click", () => {
        Object.assign(state, { yaw, pitch });
        requestPaint();
      });
    }
    if (meshes.length < 2) return;
    const side = addElement(tools, "select", "brain-chooser");
    side.setAttribute("aria-label", "hemispheres");
    for (const [value, text] of [["both", "both sides"], ["left", "left only"], ["right", "right only"]]) {
      addElement(side, "option", "", text).value = value;
    }
    side.addEventListener("change", () => {
      state.sides = side.value;
      requestPaint();
    });
  }

  function listen() {
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      held = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) {
        readPixel(event);
        return;
      }
      turn(-0.5 * (event.clientX - held[0]), 0.5 * (event.clientY - held[1]));
      held = [event.clientX, event.clientY];
    });
    const release = () => {
      held = null;
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    const steps = { ArrowLeft: [10, 0], ArrowRight: [-10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in steps) turn(...steps[event.key]);
      else if (event.key === "+") state.zoom = Math.min(6, state.zoom * 1.2);
      else if (event.key === "-") state.zoom = Math.max(0.4, state.zoom / 1.2);
      else if (event.key === "0") Object.assign(state, BRAIN_START);
      else return;
      event.preventDefault();
      event.stopPropagation();
      requestPaint();
    });
    new ResizeObserver(requestPaint).observe(canvas);
  }

  addTools();
  listen();
  showMap();
  return {
    setDark(isDark) {
      state.theme = isDark ? "dark" : "light";
      showMap();
    },
  };
}
