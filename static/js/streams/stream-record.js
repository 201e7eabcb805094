/** @import { FaceBox, FacesMessage, ScoreMessage, ScorePoint, StreamMessage, VerdictMessage } from "../core/types.js" */
import { verdictView } from "../core/format.js";
import { ScoreHistory } from "../charts/score-history.js";

/**
 * What is known of one face of a stream.
 *
 * @typedef {object} FaceRecord
 * @property {number} faceId
 * @property {VerdictMessage | null} verdict
 * @property {ScoreMessage | null} score
 * @property {FaceBox | null} seen
 */

/** A face that shows in no frame for so long, though nobody said that it ended, is no longer listed. */
const FORGET_FACE_S = 10;

/** Everything known of one stream; only the store writes to it. */
export class StreamRecord {
  history = new ScoreHistory();
  /** @type {Map<number, FaceRecord & { at: number }>} */
  #faces = new Map();
  /** @type {ScoreMessage | null} */
  newestScore = null;

  /** @param {StreamMessage} info */
  constructor(info) {
    this.info = info;
  }

  /** @param {FacesMessage} message */
  applyFaces(message) {
    for (const face of message.faces) this.#face(face.face_id, message.frame_at).seen = face;
    for (const [faceId, face] of this.#faces) {
      if (face.at < message.frame_at - FORGET_FACE_S) this.#faces.delete(faceId);
    }
  }

  /** @param {ScoreMessage} message */
  applyScore(message) {
    this.#face(message.face_id, message.face_at).score = message;
    this.history.add(message.face_id, message.face_at, message.fake_probability);
    this.history.prune(message.face_at);
    if (!this.newestScore || message.face_at >= this.newestScore.face_at) this.newestScore = message;
  }

  /** @param {VerdictMessage} message */
  applyVerdict(message) {
    this.#face(message.face_id, message.at).verdict = message;
  }

  /** @param {readonly ScorePoint[]} items older scores, from before this page was opened */
  applyHistory(items) {
    this.history.merge(items);
  }

  /** @param {number} faceId */
  endFace(faceId) {
    this.#faces.delete(faceId);
  }

  /** Drops the faces, keeps the history: for the snapshot after a reconnect, and for a stream that is not live. */
  clearFaces() {
    this.#faces.clear();
  }

  /** All present faces, the most suspicious first. @returns {FaceRecord[]} */
  faces() {
    return [...this.#faces.values()].sort(
      (a, b) =>
        verdictView(b.verdict).rank - verdictView(a.verdict).rank ||
        (b.score?.fake_probability ?? -1) - (a.score?.fake_probability ?? -1) ||
        a.faceId - b.faceId,
    );
  }

  /** @param {number} faceId @returns {FaceRecord | null} */
  face(faceId) {
    return this.#faces.get(faceId) ?? null;
  }

  /** The most suspicious face: it stands for the stream. @returns {FaceRecord | null} */
  standing() {
    return this.faces()[0] ?? null;
  }

  /**
   * @param {number} faceId
   * @param {number} at
   */
  #face(faceId, at) {
    let face = this.#faces.get(faceId);
    if (!face) {
      face = { faceId, verdict: null, score: null, seen: null, at };
      this.#faces.set(faceId, face);
    }
    face.at = Math.max(face.at, at);
    return face;
  }
}
