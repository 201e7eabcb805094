/** @import { Store } from "../core/store.js" */
import { ApiError, iceServers } from "../core/api.js";
import { WHIP_RETRY_PAUSES_S, retryPauseMs } from "../core/retry.js";
import { releaseCamera } from "./webcam.js";
import { WhipPublisher } from "./whip.js";

/** A hiccup of the network heals by itself within this time, or never. */
const DISCONNECTED_GRACE_MS = 4000;
/** From the server's answer to pictures flowing; with UDP blocked it would stay "connecting" for most of a minute. */
const CONNECT_TIMEOUT_MS = 15_000;

/** The own webcam on its way to the server: publishes, comes back after a failure, ends cleanly. */
export class WebcamShare {
  #store;
  /** @type {WhipPublisher | null} */
  #publisher = null;
  /** @type {MediaStream | null} */
  #media = null;
  #streamId = "";
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #onPageHide = () => this.stop();

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
    addEventListener("pagehide", this.#onPageHide);
  }

  /**
   * Publishes an opened camera; takes it over and lets go of it at the end.
   *
   * @param {string} streamId
   * @param {MediaStream} media
   * @throws {ApiError} when the server refuses the first time; the camera is then the caller's again
   */
  async start(streamId, media) {
    this.stop();
    this.#streamId = streamId;
    this.#media = media;
    this.#attempt = 0;
    this.#store.setShare({ phase: "starting", streamId, media, why: null, retryAtMs: null });
    media.getVideoTracks()[0]?.addEventListener("ended", () => {
      if (this.#media !== media) return;
      this.stop();
      this.#store.notice("error", "Sharing stopped: the camera was disconnected or taken away.");
    });
    try {
      await this.#publish(media);
    } catch (error) {
      if (this.#media === media) {
        this.#media = null;
        this.stop();
      }
      throw error;
    }
  }

  /** Ends sharing; harmless when there is none. */
  stop() {
    clearTimeout(this.#timer);
    this.#publisher?.close();
    this.#publisher = null;
    releaseCamera(this.#media);
    this.#media = null;
    if (this.#store.share.phase !== "off") {
      this.#store.setShare({ phase: "off", streamId: null, media: null, why: null, retryAtMs: null });
    }
  }

  close() {
    removeEventListener("pagehide", this.#onPageHide);
    this.stop();
  }

  /** @param {MediaStream} media */
  async #publish(media) {
    const track = media.getVideoTracks()[0];
    if (!track) throw new ApiError(0, "no_video", "The camera sends no video.");
    const servers = await iceServers();
    if (this.#media !== media) return; // stopped meanwhile
    /** @type {WhipPublisher} */
    const publisher = new WhipPublisher(servers, (state) => this.#onState(publisher, state));
    this.#publisher = publisher;
    await publisher.publish(this.#streamId, track);
    if (this.#publisher === publisher && this.#store.share.phase !== "live") {
      this.#restartTimer(CONNECT_TIMEOUT_MS, "the server does not receive the video; a firewall may block UDP");
    }
  }

  /**
   * @param {WhipPublisher} publisher
   * @param {RTCPeerConnectionState} state
   */
  #onState(publisher, state) {
    if (this.#publisher !== publisher) return;
    if (state === "connected") {
      clearTimeout(this.#timer);
      this.#attempt = 0;
      this.#store.setShare({ phase: "live", why: null, retryAtMs: null });
    } else if (state === "disconnected") {
      this.#restartTimer(DISCONNECTED_GRACE_MS, "the connection to the server broke");
    } else if (state === "failed") {
      this.#retry("the connection to the server failed");
    }
  }

  /**
   * @param {number} ms
   * @param {string} why
   */
  #restartTimer(ms, why) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#retry(why), ms);
  }

  /** @param {string} why */
  #retry(why) {
    clearTimeout(this.#timer);
    const media = this.#media;
    if (!media) return;
    this.#publisher?.close();
    this.#publisher = null;
    const pause = retryPauseMs(WHIP_RETRY_PAUSES_S, this.#attempt);
    this.#attempt += 1;
    this.#store.setShare({ phase: "retrying", why, retryAtMs: Date.now() + pause });
    this.#timer = setTimeout(() => {
      this.#publish(media).catch((error) => this.#onRefused(media, error));
    }, pause);
  }

  /**
   * @param {MediaStream} media
   * @param {unknown} error
   */
  #onRefused(media, error) {
    if (this.#media !== media) return;
    const message = error instanceof Error ? error.message : String(error);
    // taken: the server has not noticed yet that our old session is dead; full or restarting: may pass
    const passing = error instanceof ApiError && (error.status === 0 || error.status === 409 || error.status >= 500);
    if (passing) return this.#retry(message);
    this.stop();
    return this.#store.notice("error", `Sharing stopped: ${message}`);
  }
}
