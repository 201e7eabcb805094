import { errorFrom, request } from "../core/api.js";

/** Candidates go into the offer itself; a slow STUN server may not hold it up for longer. */
const GATHERING_TIMEOUT_MS = 2000;
/** The camera is off by then; only the connection lingers. */
const FAREWELL_TIMEOUT_MS = 3000;
/** Enough for 640 x 480 at 15 pictures a second without visible blocks: artefacts of the codec look like manipulation. */
const MAX_BITRATE = 1_500_000;

/**
 * Publishes one webcam to the server with WHIP (RFC 9725): POST an offer, DELETE the session to end.
 *
 * One object is one session; it is not used again after `close`.
 */
export class WhipPublisher {
  #peer;
  /** @type {string | null} */
  #session = null;
  #closed = false;

  /**
   * @param {readonly RTCIceServer[]} iceServers
   * @param {(state: RTCPeerConnectionState) => void} onState
   */
  constructor(iceServers, onState) {
    this.#peer = new RTCPeerConnection({ iceServers: [...iceServers] });
    this.#peer.onconnectionstatechange = () => {
      if (!this.#closed) onState(this.#peer.connectionState);
    };
  }

  /**
   * Resolves when the server has answered; that pictures flow is told by `onState("connected")`.
   *
   * @param {string} streamId
   * @param {MediaStreamTrack} track
   * @throws {import("../core/api.js").ApiError} with the server's words when it refuses
   */
  async publish(streamId, track) {
    const transceiver = this.#peer.addTransceiver(track, {
      direction: "sendonly",
      sendEncodings: [{ maxBitrate: MAX_BITRATE }],
    });
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    await gathered(this.#peer);
    const endpoint = `/whip/${encodeURIComponent(streamId)}`;
    const response = await request(endpoint, {
      method: "POST",
      headers: { "content-type": "application/sdp" },
      body: this.#peer.localDescription?.sdp ?? "",
    });
    const place = response.headers.get("location");
    if (!place) throw errorFrom(response.status, JSON.stringify({ error: { code: "whip", message: "The server's answer names no session." } }));
    this.#session = new URL(place, new URL(endpoint, location.href)).href;
    if (this.#closed) return void this.#end(); // stopped while the server was answering
    await this.#peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    await keepResolution(transceiver.sender);
    return undefined;
  }

  /** Ends the session on the server, then here; survives the page being closed. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    void this.#end();
  }

  async #end() {
    const session = this.#session;
    this.#session = null;
    try {
      // told first: to a peer that is already gone the server would answer that there is no such session
      if (session) await fetch(session, { method: "DELETE", keepalive: true, signal: AbortSignal.timeout(FAREWELL_TIMEOUT_MS) });
    } catch {
      // the server has its own watchdog, so a failed farewell is not worth a message
    } finally {
      this.#peer.close();
    }
  }
}

/**
 * A face that shrinks to half its pixels is another face to the network: drop pictures rather than pixels.
 *
 * @param {RTCRtpSender} sender
 */
async function keepResolution(sender) {
  try {
    const parameters = sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await sender.setParameters(parameters);
  } catch (error) {
    console.info("this browser chooses the resolution itself:", error);
  }
}

/** @param {RTCPeerConnection} peer */
function gathered(peer) {
  return /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      if (peer.iceGatheringState === "complete") return resolve();
      const timer = setTimeout(resolve, GATHERING_TIMEOUT_MS);
      peer.addEventListener("icegatheringstatechange", () => {
        if (peer.iceGatheringState !== "complete") return;
        clearTimeout(timer);
        resolve();
      });
    })
  );
}
