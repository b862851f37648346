/** Elements of HTML and SVG. Text is set as text, so a name can never become markup. */

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** Make an SVG element, appended to `parent` if there is one. */
export function makeSvg(tag, attributes = {}, parent = null, text = null) {
  const element = document.createElementNS(SVG_NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  if (text !== null) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

/** Make an HTML element; a function among the attributes ("onclick") listens to that event. */
export function makeHtml(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value);
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== "") element.append(child);
  }
  return element;
}

/** The element of the page with this id. */
export function findById(id) {
  return document.getElementById(id);
}

/** A row of buttons of which one is pressed: choices are [value, label, title]. */
export function makeSegments(choices, pressed, choose, label) {
  const buttons = choices.map(([value, text, title]) =>
    makeHtml(
      "button",
      { type: "button", "aria-pressed": String(value === pressed), title, onclick: () => choose(value) },
      text,
    ),
  );
  return makeHtml("span", { class: "seg", role: "group", "aria-label": label }, buttons);
}
