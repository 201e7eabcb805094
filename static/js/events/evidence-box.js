import { evidenceAddress, evidenceKey } from "../core/api.js";
import { h, icon } from "../core/dom.js";

/** `<evidence-box>`: the signed zip, the link to this page, and how to check what was downloaded. */
export class EvidenceBox extends HTMLElement {
  #link;
  #copied = h("p", { class: "muted", role: "status", "data-testid": "copied" });
  #address = h("input", { type: "text", readonly: true, hidden: true, "aria-label": "Link to this event" });
  #key = h("div", { class: "evidence-key", "data-testid": "evidence-key", hidden: true });

  /** @param {string} eventId */
  constructor(eventId) {
    super();
    this.#link = new URL(`#/events/${eventId}`, location.href).href;
    this.append(
      h("h3", {}, "Evidence"),
      h(
        "div",
        { class: "evidence-actions" },
        h("a", { class: "button primary", href: evidenceAddress(eventId), download: `evidence-${eventId}.zip`, "data-testid": "download-evidence" }, icon("download"), "Download evidence (zip)"),
        h("button", { type: "button", "data-testid": "copy-link", onclick: () => void this.#onCopy() }, icon("link"), "Copy link"),
      ),
      this.#copied,
      this.#address,
      this.#key,
    );
    void this.#loadKey(eventId);
  }

  async #onCopy() {
    try {
      await navigator.clipboard.writeText(this.#link);
      this.#copied.textContent = "The link was copied.";
    } catch {
      // browsers allow it on safe pages only: localhost and https
      this.#copied.textContent = "This browser lets no page copy by itself here. The link:";
      this.#address.hidden = false;
      this.#address.value = this.#link;
      this.#address.select();
    }
  }

  /** @param {string} eventId */
  async #loadKey(eventId) {
    try {
      const { fingerprint } = await evidenceKey();
      this.#key.replaceChildren(
        h("p", {}, "Signed with this monitor's key, whose fingerprint is"),
        h("code", { "data-testid": "fingerprint" }, fingerprint),
        h("p", { class: "muted" }, "To check a zip as it was downloaded:"),
        h("code", {}, `deepfake-monitor verify evidence-${eventId}.zip --key ${fingerprint}`),
      );
      this.#key.hidden = false;
    } catch (error) {
      console.info("the key's fingerprint cannot be shown:", error);
    }
  }
}

customElements.define("evidence-box", EvidenceBox);
