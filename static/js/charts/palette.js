/** @import { Tone } from "../core/types.js" */

/** Faces of one stream are told apart by colour and by dash; more faces than entries repeat. */
const FACE_DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const FACE_COLOURS = 6;

/** @type {Map<string, string>} */
let known = new Map();
for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
  if (typeof matchMedia === "function") matchMedia(query).addEventListener("change", () => (known = new Map()));
}

/**
 * A colour token of tokens.css as the canvas wants it; follows light and dark.
 *
 * @param {string} token without its dashes, e.g. "text"
 */
export function colour(token) {
  let value = known.get(token);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim() || "currentColor";
    known.set(token, value);
  }
  return value;
}

/** @param {Tone} tone */
export function toneColour(tone) {
  return colour(`tone-${tone}`);
}

/** @param {number} faceId from 1 */
export function faceLine(faceId) {
  const index = Math.max(0, faceId - 1);
  return {
    colour: colour(`face-${(index % FACE_COLOURS) + 1}`),
    dash: FACE_DASHES[Math.floor(index / 2) % FACE_DASHES.length] ?? [],
  };
}

/**
 * Fits a canvas to its place on the page at the screen's own resolution.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {{ draw: CanvasRenderingContext2D, width: number, height: number } | null} size in CSS pixels; null while it has none
 */
export function fitCanvas(canvas) {
  const draw = canvas.getContext("2d");
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!draw || width === 0 || height === 0) return null;
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
  }
  draw.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw.clearRect(0, 0, width, height);
  return { draw, width, height };
}
