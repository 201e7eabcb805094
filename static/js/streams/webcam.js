/** What the analyzer can use: more pixels or pictures only cost bandwidth and processor. */
const WISHED = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 15, max: 30 } };

/** A camera could not be opened; the message says what to do about it. */
export class WebcamError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "WebcamError";
  }
}

/**
 * Why a camera cannot be opened on this page at all; null when it can.
 *
 * @param {{ isSecureContext: boolean, navigator: { mediaDevices?: MediaDevices }, location: { host: string } }} page
 */
export function unavailable(page = window) {
  if (!page.isSecureContext) {
    return (
      "Browsers give cameras to secure pages only. Open the dashboard over https, or on the server's own machine as " +
      "http://localhost. The address now is " + page.location.host + "."
    );
  }
  if (!page.navigator.mediaDevices) return "This browser offers no camera access.";
  return null;
}

/**
 * The browser's error in words that say what to do.
 *
 * @param {unknown} error
 */
export function cameraErrorWords(error) {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "The browser was not allowed to use the camera. Allow it in the address bar or the system's privacy settings, then try again.";
    case "NotFoundError":
      return "No camera was found. Connect one, then try again.";
    case "NotReadableError":
    case "AbortError":
      return "The camera is in use by another program, or its driver failed. Close the other program, then try again.";
    case "OverconstrainedError":
      return "This camera is no longer connected. Choose another one.";
    default:
      return `The camera could not be opened: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * @param {string} deviceId "" for the browser's choice
 * @returns {Promise<MediaStream>}
 * @throws {WebcamError}
 */
export async function openCamera(deviceId) {
  const reason = unavailable();
  if (reason) throw new WebcamError(reason);
  const video = deviceId ? { ...WISHED, deviceId: { exact: deviceId } } : WISHED;
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    throw new WebcamError(cameraErrorWords(error));
  }
}

/** Cameras with their names; names are known only once a camera was allowed. */
export async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((device) => device.kind === "videoinput")
    .map((device, index) => ({ id: device.deviceId, name: device.label || `Camera ${index + 1}` }));
}

/** @param {MediaStream | null} media lets go of the camera; its light goes out */
export function releaseCamera(media) {
  for (const track of media?.getTracks() ?? []) track.stop();
}
