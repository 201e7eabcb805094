import { THRESHOLD } from "../core/format.js";
import { colour, faceLine } from "./palette.js";

/** Room for the axis labels, CSS pixels. */
const GUTTER = { left: 38, right: 6, top: 6, bottom: 16 };

/**
 * Where in a canvas the lines go, and how values become places.
 *
 * @typedef {object} Plot
 * @property {number} left
 * @property {number} right
 * @property {number} top
 * @property {number} bottom
 * @property {(at: number) => number} x
 * @property {(p: number) => number} y
 */

/**
 * @param {number} width CSS pixels of the canvas
 * @param {number} height
 * @param {number} fromS time at the left edge
 * @param {number} toS time at the right edge
 * @returns {Plot}
 */
export function makePlot(width, height, fromS, toS) {
  const [left, right, top, bottom] = [GUTTER.left, width - GUTTER.right, GUTTER.top, height - GUTTER.bottom];
  const span = Math.max(1e-6, toS - fromS);
  return {
    left,
    right,
    top,
    bottom,
    x: (at) => left + ((at - fromS) / span) * (right - left),
    y: (p) => bottom - p * (bottom - top),
  };
}

/**
 * How far along the time axis a pointer stands, 0 to 1.
 *
 * @param {number} x CSS pixels from the canvas's left
 * @param {number} width of the canvas
 */
export function along(x, width) {
  return Math.min(1, Math.max(0, (x - GUTTER.left) / Math.max(1, width - GUTTER.left - GUTTER.right)));
}

/**
 * The frame of the chart: 0, the threshold and 100 %, and what the two ends in time are.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {Plot} plot
 * @param {string} from
 * @param {string} to
 */
export function drawGrid(draw, plot, from, to) {
  draw.font = "10.5px system-ui, sans-serif";
  draw.textBaseline = "middle";
  draw.textAlign = "right";
  draw.lineWidth = 1;
  for (const p of [0, THRESHOLD, 1]) {
    const y = Math.round(plot.y(p)) + 0.5;
    draw.strokeStyle = colour(p === THRESHOLD ? "text-muted" : "border");
    draw.setLineDash(p === THRESHOLD ? [3, 3] : []);
    draw.beginPath();
    draw.moveTo(plot.left, y);
    draw.lineTo(plot.right, y);
    draw.stroke();
    draw.fillStyle = colour("text-muted");
    draw.fillText(`${p * 100} %`, plot.left - 5, y);
  }
  draw.setLineDash([]);
  draw.textBaseline = "alphabetic";
  draw.textAlign = "left";
  draw.fillText(from, plot.left, plot.bottom + 14);
  draw.textAlign = "right";
  draw.fillText(to, plot.right, plot.bottom + 14);
  draw.textAlign = "left";
}

/**
 * One face's scores: a line wherever they are joined, a dot at the end of each.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {Plot} plot
 * @param {number} faceId
 * @param {readonly (readonly { at: number, p: number }[])[]} lines
 */
export function drawFaceLines(draw, plot, faceId, lines) {
  const style = faceLine(faceId);
  draw.save();
  draw.beginPath();
  draw.rect(plot.left, plot.top - 3, plot.right - plot.left + 3, plot.bottom - plot.top + 6);
  draw.clip();
  draw.strokeStyle = style.colour;
  draw.lineWidth = 1.6;
  draw.lineJoin = "round";
  for (const line of lines) {
    draw.setLineDash(style.dash);
    draw.beginPath();
    for (const point of line) draw.lineTo(plot.x(point.at), plot.y(point.p));
    draw.stroke();
    draw.setLineDash([]);
    const last = line.at(-1);
    if (last) drawDot(draw, plot, faceId, last, 2.2);
  }
  draw.restore();
}

/**
 * The line at the moment that is read out, with a dot on each face's score.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {Plot} plot
 * @param {number} at
 * @param {readonly { faceId: number, at: number, p: number }[]} found
 */
export function drawReading(draw, plot, at, found) {
  draw.strokeStyle = colour("text-muted");
  draw.lineWidth = 1;
  draw.beginPath();
  draw.moveTo(plot.x(at), plot.top);
  draw.lineTo(plot.x(at), plot.bottom);
  draw.stroke();
  for (const point of found) drawDot(draw, plot, point.faceId, point, 3.4);
}

/**
 * A ring around a face's most suspicious window.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {Plot} plot
 * @param {{ faceId: number, at: number, p: number }} peak
 */
export function drawPeak(draw, plot, { faceId, at, p }) {
  draw.strokeStyle = faceLine(faceId).colour;
  draw.lineWidth = 1.6;
  draw.beginPath();
  draw.arc(plot.x(at), plot.y(p), 4.5, 0, 2 * Math.PI);
  draw.stroke();
}

/**
 * @param {CanvasRenderingContext2D} draw
 * @param {Plot} plot
 * @param {number} faceId
 * @param {{ at: number, p: number }} point
 * @param {number} radius
 */
function drawDot(draw, plot, faceId, point, radius) {
  draw.fillStyle = faceLine(faceId).colour;
  draw.beginPath();
  draw.arc(plot.x(point.at), plot.y(point.p), radius, 0, 2 * Math.PI);
  draw.fill();
}
