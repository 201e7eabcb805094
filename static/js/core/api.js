/** @import { EventPage, EvidenceKey, MonitorEvent, ReviewMark, ScorePoint, Sensitivity, StreamMessage, VideoReport } from "./types.js" */

/** The server's own words about what went wrong; `code` is stable, `message` is for people. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 when the server was not reached
   * @param {string} code
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

/**
 * Reads the one error shape, or makes words from the status when something in between answered instead.
 *
 * @param {number} status
 * @param {string} body
 */
export function errorFrom(status, body) {
  try {
    const { code, message } = JSON.parse(body).error;
    if (typeof message === "string" && message) return new ApiError(status, String(code), message);
  } catch {
    // not JSON: a proxy's page, or nothing
  }
  if (status === 0) return new ApiError(0, "unreachable", "The server cannot be reached.");
  return new ApiError(status, "http", `The server answered with status ${status} and no reason.`);
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Response>} always a 2xx
 * @throws {ApiError}
 */
export async function request(path, init) {
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init?.signal?.aborted) throw error; // nobody waits for it any more
    throw errorFrom(0, "");
  }
  if (!response.ok) throw errorFrom(response.status, await response.text());
  return response;
}

/**
 * @param {string} method
 * @param {object} value
 * @returns {RequestInit}
 */
function json(method, value) {
  return { method, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

/**
 * @param {string} id
 * @param {string} url
 * @param {"tcp" | "udp" | null} transport of RTSP; null leaves it to the server's settings
 * @returns {Promise<StreamMessage>}
 */
export async function addStream(id, url, transport = null) {
  return (await request("/api/streams", json("POST", { id, url, transport }))).json();
}

/**
 * @param {string} id
 * @param {{ sensitivity: Sensitivity } | { privacy: boolean }} change from its next face on
 * @returns {Promise<StreamMessage>}
 */
export async function changeStream(id, change) {
  return (await request(`/api/streams/${encodeURIComponent(id)}`, json("PATCH", change))).json();
}

/** @param {string} id */
export async function removeStream(id) {
  await request(`/api/streams/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/**
 * Scores of the last minutes, from before this page was opened.
 *
 * @param {string} id
 * @returns {Promise<ScorePoint[]>}
 */
export async function streamScores(id) {
  const response = await request(`/api/streams/${encodeURIComponent(id)}/scores`);
  return (await response.json()).items;
}

/**
 * @param {string} query made by `queryOf`
 * @param {AbortSignal} [signal]
 * @returns {Promise<EventPage>}
 */
export async function listEvents(query, signal) {
  return (await request(`/api/events?${query}`, { signal: signal ?? null })).json();
}

/**
 * @param {string} id
 * @returns {Promise<MonitorEvent>}
 */
export async function getEvent(id) {
  return (await request(`/api/events/${id}`)).json();
}

/**
 * @param {string} id
 * @param {ReviewMark | null} mark null takes it back
 * @param {string} note
 * @returns {Promise<MonitorEvent>}
 */
export async function markEvent(id, mark, note) {
  return (await request(`/api/events/${id}`, json("PATCH", { mark, note }))).json();
}

/** @param {string} id */
export async function deleteEvent(id) {
  await request(`/api/events/${id}`, { method: "DELETE" });
}

/** Address of the signed zip. @param {string} id */
export function evidenceAddress(id) {
  return `/api/events/${id}/evidence.zip`;
}

/**
 * Address of one file of the evidence; another where it was made anew, for caches.
 *
 * @param {string} id
 * @param {{ name: string, sha256: string }} part
 */
export function partAddress(id, { name, sha256 }) {
  return `/api/events/${id}/parts/${name}?sha256=${sha256.slice(0, 12)}`;
}

/** @returns {Promise<EvidenceKey>} */
export async function evidenceKey() {
  return (await request("/api/evidence-key")).json();
}

/** @returns {Promise<RTCIceServer[]>} */
export async function iceServers() {
  return (await (await request("/api/ice-servers")).json()).ice_servers;
}

/**
 * Sends a video to be analysed. XMLHttpRequest, for `fetch` does not tell how much has been sent.
 *
 * @param {File} file
 * @param {string} uploadId progress of the analysis comes over the live socket under this id
 * @param {(progress: number) => void} onSent 0 to 1
 * @returns {{ result: Promise<VideoReport>, cancel: () => void }} the result is rejected with an ApiError; code "cancelled" after cancel
 */
export function predictVideo(file, uploadId, onSent) {
  const xhr = new XMLHttpRequest();
  const form = new FormData();
  form.append("file", file, file.name);
  /** @type {Promise<VideoReport>} */
  const result = new Promise((resolve, reject) => {
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable) onSent(event.loaded / event.total);
    };
    xhr.upload.onload = () => onSent(1);
    xhr.onload = () => {
      if (xhr.status < 200 || xhr.status > 299) return reject(errorFrom(xhr.status, xhr.responseText));
      try {
        return resolve(JSON.parse(xhr.responseText));
      } catch {
        return reject(new ApiError(xhr.status, "bad_answer", "The server's answer could not be read."));
      }
    };
    xhr.onerror = () => reject(errorFrom(0, ""));
    xhr.onabort = () => reject(new ApiError(0, "cancelled", "Cancelled."));
    xhr.open("POST", `/predict_video?pictures=true&upload_id=${encodeURIComponent(uploadId)}`);
    xhr.send(form);
  });
  return { result, cancel: () => xhr.abort() };
}

/**
 * Address of a websocket on the server that the page came from.
 *
 * @param {string} path
 * @param {{ protocol: string, host: string }} page
 */
export function socketUrl(path, page = location) {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}${path}`;
}

/** A random UUID; `crypto.randomUUID` is missing on plain-http pages of other hosts. */
export function randomId() {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const octets = crypto.getRandomValues(new Uint8Array(16));
  octets[6] = ((octets[6] ?? 0) & 0x0f) | 0x40;
  octets[8] = ((octets[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...octets].map((octet) => octet.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
