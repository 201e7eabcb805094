/** @typedef {string | number | boolean | null | undefined | ((event: any) => void)} Attribute */
/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Makes an element: attributes by name, listeners as `onclick` and so on, then its children.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, Attribute>} attributes
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/**
 * Touches the document only when something changes, so that screen readers and selections are left alone.
 *
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value false, null: taken away
 */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/**
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const SVG = "http://www.w3.org/2000/svg";
const SPRITE = new URL("../../icons.svg", import.meta.url).pathname;

/**
 * One of the pictures of icons.svg; decorative, the words stand beside it.
 *
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  svg.append(document.createElementNS(SVG, "use"));
  setIcon(svg, name);
  return /** @type {SVGSVGElement} */ (svg);
}

/**
 * @param {Element} svg made by `icon`
 * @param {string} name
 */
export function setIcon(svg, name) {
  const use = svg.firstElementChild;
  if (use) setAttribute(use, "href", `${SPRITE}#${name}`);
}
