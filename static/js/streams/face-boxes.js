/** @import { FacesMessage, Tone } from "../core/types.js" */
/** @import { StreamRecord } from "./stream-record.js" */
import { percent, verdictView } from "../core/format.js";

/** Labels stand on the picture itself, so they do not follow light and dark; all are >= 4.5 : 1 on LABEL_GROUND. */
const TONES = {
  clear: "#5fd3a4",
  nothing: "#b8c2cd",
  uncertain: "#f2cd55",
  suspicious: "#ff9f4d",
  alert: "#ff7a78",
  neutral: "#b8c2cd",
  progress: "#82bbff",
};
const LABEL_GROUND = "rgba(10, 13, 18, 0.86)";
const LABEL_TEXT = "#f4f7fa";
const LABEL_HEIGHT = 19;
const FONT = "600 11.5px system-ui, sans-serif";

/** @typedef {{ left: number, top: number, width: number, height: number }} Rect */

/**
 * Where the picture lies in the canvas: as large as fits, in the middle. x, y of its corner and its scale.
 *
 * @param {{ width: number, height: number }} picture
 * @param {{ width: number, height: number }} room
 */
export function contain(picture, room) {
  const scale = Math.min(room.width / picture.width, room.height / picture.height);
  return { x: (room.width - picture.width * scale) / 2, y: (room.height - picture.height * scale) / 2, scale };
}

/**
 * What stands at a face's box: verdict word and score, or why there is none.
 *
 * @param {import("../core/types.js").FaceBox} face
 * @param {StreamRecord | null} record
 * @returns {{ text: string, tone: Tone }}
 */
export function boxLabel(face, record) {
  const known = record?.face(face.face_id) ?? null;
  const view = verdictView(known?.verdict ?? null);
  const name = `Face ${face.face_id}`;
  if (view.rank >= 3) {
    const score = known?.score?.fake_probability ?? known?.verdict?.fake_probability;
    return { text: `${name} · ${view.short} ${percent(score)}`, tone: view.tone };
  }
  if (view.state === "none" && face.quality.reason) return { text: `${name} · ${face.quality.reason}`, tone: "neutral" };
  return { text: view.short ? `${name} · ${view.short}` : name, tone: view.tone };
}

/**
 * Draws the boxes of one frame over its picture.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {FacesMessage} header boxes in pixels of the full frame
 * @param {{ width: number, height: number }} room in CSS pixels
 * @param {StreamRecord | null} record
 */
export function drawFaceBoxes(draw, header, room, record) {
  const place = contain(header, room);
  /** @type {Rect[]} */
  const taken = [];
  for (const face of header.faces) {
    const { text, tone } = boxLabel(face, record);
    const [x, y, width, height] = face.box;
    const box = { left: place.x + x * place.scale, top: place.y + y * place.scale, width: width * place.scale, height: height * place.scale };
    drawBrackets(draw, box, tone);
    draw.font = FONT;
    const label = labelPlace(box, draw.measureText(text).width + 26, room, taken);
    taken.push(label);
    drawLabel(draw, text, tone, label);
  }
}

/**
 * Where a label goes: above its box, below it, or further up, wherever it covers no other label.
 *
 * @param {Rect} box
 * @param {number} width of the label
 * @param {{ width: number, height: number }} room
 * @param {readonly Rect[]} taken
 * @returns {Rect}
 */
export function labelPlace(box, width, room, taken) {
  const left = Math.max(2, Math.min(box.left, room.width - width - 2));
  const above = box.top - LABEL_HEIGHT - 4;
  const wishes = [above, box.top + box.height + 4, above - LABEL_HEIGHT - 2, box.top + box.height + LABEL_HEIGHT + 6, above];
  /** @type {Rect} */
  let label = { left, top: 0, width, height: LABEL_HEIGHT };
  for (const wish of wishes) {
    label = { ...label, top: Math.max(2, Math.min(wish, room.height - LABEL_HEIGHT - 2)) };
    if (!taken.some((other) => overlap(label, other))) break;
  }
  return label;
}

/**
 * @param {Rect} a
 * @param {Rect} b
 */
function overlap(a, b) {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;
}

/**
 * @param {CanvasRenderingContext2D} draw
 * @param {Rect} box
 * @param {Tone} tone
 */
function drawBrackets(draw, { left, top, width, height }, tone) {
  const arm = Math.max(6, Math.min(width, height) * 0.22);
  const [right, bottom] = [left + width, top + height];
  draw.lineJoin = "round";
  draw.lineCap = "round";
  // a dark line below keeps the light one visible on any picture
  for (const [lineWidth, stroke] of /** @type {[number, string][]} */ ([[4.5, "rgba(0, 0, 0, 0.55)"], [tone === "alert" ? 3 : 2, TONES[tone]]])) {
    draw.lineWidth = lineWidth;
    draw.strokeStyle = stroke;
    draw.beginPath();
    draw.moveTo(left, top + arm);
    draw.lineTo(left, top);
    draw.lineTo(left + arm, top);
    draw.moveTo(right - arm, top);
    draw.lineTo(right, top);
    draw.lineTo(right, top + arm);
    draw.moveTo(right, bottom - arm);
    draw.lineTo(right, bottom);
    draw.lineTo(right - arm, bottom);
    draw.moveTo(left + arm, bottom);
    draw.lineTo(left, bottom);
    draw.lineTo(left, bottom - arm);
    draw.stroke();
  }
}

/**
 * @param {CanvasRenderingContext2D} draw
 * @param {string} text
 * @param {Tone} tone
 * @param {Rect} place
 */
function drawLabel(draw, text, tone, { left, top, width }) {
  draw.fillStyle = LABEL_GROUND;
  draw.beginPath();
  draw.roundRect(left, top, width, LABEL_HEIGHT, 4);
  draw.fill();
  drawShape(draw, tone, left + 10, top + LABEL_HEIGHT / 2);
  draw.fillStyle = LABEL_TEXT;
  draw.textBaseline = "middle";
  draw.fillText(text, left + 19, top + LABEL_HEIGHT / 2 + 0.5);
}

/**
 * A shape per verdict, so that colour is not its only carrier: ring, diamond, triangle, octagon, dash.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {Tone} tone
 * @param {number} x
 * @param {number} y
 */
function drawShape(draw, tone, x, y) {
  const corners = { clear: 0, nothing: 0, uncertain: 4, suspicious: 3, alert: 8, neutral: 2, progress: 0 }[tone];
  draw.beginPath();
  draw.fillStyle = draw.strokeStyle = TONES[tone];
  draw.lineWidth = 2;
  if (corners === 0) draw.arc(x, y, 3.5, 0, tone === "progress" ? 1.4 * Math.PI : 2 * Math.PI);
  for (let corner = 0; corner < corners; corner += 1) {
    // a dash lies flat, an octagon stands on an edge, the others on a corner's opposite
    const turn = corners === 2 ? 0 : corners === 8 ? Math.PI / 8 : -Math.PI / 2;
    const angle = turn + (corner * 2 * Math.PI) / corners;
    draw.lineTo(x + 4.8 * Math.cos(angle), y + 4.8 * Math.sin(angle) + (corners === 3 ? 1 : 0));
  }
  if (corners > 2) draw.fill();
  else draw.stroke();
}
