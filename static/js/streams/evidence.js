/** @import { Evidence, FacesMessage } from "../core/types.js" */
/** @import { StreamRecord } from "./stream-record.js" */
import { contain } from "./face-boxes.js";
import { THRESHOLD, percent } from "../core/format.js";

/** Stands wherever a map is shown. What it says of tests is measured in docs/explanation.md, and changes with it. */
export const MAP_WORDS =
  "Where the network looked: 7 × 7, coarse. In tests it found the changed part no better than always pointing at the middle. " +
  "Not proof of where, or that, a face was changed.";

/** Stands when a map is asked for and no score brings one. */
export const NO_MAP_WORDS = "No map: there is no newest score that says where the network looked.";

/** What a strip of bars means. */
export const STRIP_MEANING =
  "Picture by picture, oldest to newest: what the score would be with this picture's opinion in place of the mean of " +
  "all 16. Their mean, as logits, is the score.";

/** Cells of a map in each direction. */
const CELLS = 7;
/** Pictures of a window. */
const PICTURES = 16;
/** A map is drawn on frames so near to its own; a face hardly moves meanwhile. */
const FRESH_S = 1;
/** Blue, which stands for no verdict; light enough for dark pictures, its outline dark enough for light ones. */
const MAP_COLOUR = "92, 184, 255";
const MOST_OPAQUE = 0.75;

/**
 * The map of where the network looked, or null when there is none or it is none.
 *
 * @param {Evidence | null | undefined} evidence
 * @returns {number[][] | null} rows from above, 0 to 100
 */
export function mapOf(evidence) {
  const rows = evidence?.where;
  const whole =
    Array.isArray(rows) &&
    rows.length === CELLS &&
    rows.every((row) => Array.isArray(row) && row.length === CELLS && row.every((cell) => cell >= 0 && cell <= 100));
  return whole ? rows : null;
}

/**
 * The score as each picture alone would have it, oldest first, or null where the server cannot tell.
 *
 * @param {Evidence | null | undefined} evidence
 * @returns {number[] | null} 16 probabilities
 */
export function pictureScores(evidence) {
  const logits = evidence?.counted;
  if (!Array.isArray(logits) || logits.length !== PICTURES || !logits.every(Number.isFinite)) return null;
  return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
}

/**
 * A strip in words, for those who cannot see it.
 *
 * @param {readonly number[]} scores
 */
export function stripWords(scores) {
  const high = scores.filter((score) => score >= THRESHOLD).length;
  return (
    `Picture by picture: ${high} of ${scores.length} at or above the threshold, ` +
    `lowest ${percent(Math.min(...scores))}, highest ${percent(Math.max(...scores))}, newest ${percent(scores.at(-1))}`
  );
}

/**
 * Where a map is highest, in words.
 *
 * @param {number[][]} map
 */
export function mapWords(map) {
  const { row, column, value } = highest(map);
  const down = ["upper", "middle", "lower"][Math.floor((row * 3) / CELLS)];
  const across = ["left", "centre", "right"][Math.floor((column * 3) / CELLS)];
  const place = down === "middle" && across === "centre" ? "middle" : `${down} ${across}`;
  return `most in the ${place} of the cut-out (${value} of 100)`;
}

/** @param {number[][]} map */
function highest(map) {
  let best = { row: 0, column: 0, value: -1 };
  for (const [row, cells] of map.entries()) {
    for (const [column, value] of cells.entries()) if (value > best.value) best = { row, column, value };
  }
  return best;
}

/**
 * The square that is cut out around a face: what a map lies over.
 *
 * @param {readonly [number, number, number, number]} box x, y, width, height of the face
 * @param {number} scale side of the square over the longer side of the box
 */
export function cutOut([x, y, width, height], scale) {
  const side = Math.max(width, height) * scale;
  return { left: x + width / 2 - side / 2, top: y + height / 2 - side / 2, side };
}

/**
 * The maps that belong to a frame: those of scores so near to it in time.
 *
 * @param {FacesMessage} header
 * @param {StreamRecord | null} record
 */
export function freshMaps(header, record) {
  /** @type {{ faceId: number, box: [number, number, number, number], map: number[][] }[]} */
  const found = [];
  for (const { face_id: faceId, box, quality } of header.faces) {
    const score = record?.face(faceId)?.score;
    if (!score || !quality.fit || score.generation !== header.generation) continue;
    const map = Math.abs(header.frame_at - score.face_at) <= FRESH_S ? mapOf(score.evidence) : null;
    if (map) found.push({ faceId, box, map });
  }
  return found;
}

/**
 * Draws the map of each face of a frame over it.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {FacesMessage} header
 * @param {{ width: number, height: number }} room in CSS pixels
 * @param {StreamRecord | null} record
 * @param {number} scale of the cut-outs
 */
export function drawFaceMaps(draw, header, room, record, scale) {
  const place = contain(header, room);
  for (const { box, map } of freshMaps(header, record)) {
    const { left, top, side } = cutOut(box, scale);
    drawMap(draw, map, place.x + left * place.scale, place.y + top * place.scale, side * place.scale);
  }
}

/**
 * One map: the more opaque, the more the network looked there, on one scale for all; its highest cell outlined.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {number[][]} map
 * @param {number} left
 * @param {number} top
 * @param {number} side
 */
export function drawMap(draw, map, left, top, side) {
  const cell = side / CELLS;
  draw.save();
  for (const [row, cells] of map.entries()) {
    for (const [column, value] of cells.entries()) {
      draw.fillStyle = `rgba(${MAP_COLOUR}, ${(MOST_OPAQUE * value) / 100})`;
      draw.fillRect(left + column * cell, top + row * cell, cell, cell);
    }
  }
  const best = highest(map);
  for (const [width, stroke] of /** @type {[number, string][]} */ ([[3, "rgba(0, 0, 0, 0.6)"], [1.5, `rgb(${MAP_COLOUR})`]])) {
    draw.lineWidth = width;
    draw.strokeStyle = stroke;
    draw.strokeRect(left + best.column * cell + 0.5, top + best.row * cell + 0.5, cell - 1, cell - 1);
  }
  draw.lineWidth = 1;
  draw.strokeStyle = `rgba(${MAP_COLOUR}, 0.5)`;
  draw.strokeRect(left, top, side, side);
  draw.restore();
}
