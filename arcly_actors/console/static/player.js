// Plays a stream the quickest way there is: over WebRTC, and over HLS where that cannot be had.

import { HlsPlayer } from "./hls.js";
import { WhepPlayer } from "./whep.js";

// What a viewer may wish for. "auto" begins with WebRTC and changes to HLS when there is none.
export const WISHES = { auto: "Automatic", webrtc: "WebRTC", hls: "HLS" };
export const NAMES = { webrtc: "WebRTC", hls: "HLS" };

export class Player extends EventTarget {
  #video;
  #base;
  #current = null;
  #why = ""; // WebRTC could not be had

  via = "webrtc";

  // `base` is the address of the stream's page, with its slash: all ways of playing it are below that.
  constructor(video, base, wish = "auto") {
    super();
    this.#video = video;
    this.#base = new URL(base, document.baseURI).href;
    this.wish = wish;
  }

  get state() {
    return this.#current?.state === "unavailable" ? "unplayable" : (this.#current?.state ?? "idle");
  }

  get detail() {
    return this.#current?.detail ?? "";
  }

  // The session of WebRTC, null while there is none.
  get session() {
    return this.#current?.session ?? null;
  }

  // What happened so far, with the same keys whichever way it plays; see `WhepPlayer` and `HlsPlayer`.
  get stats() {
    return { ...this.#current?.stats, state: this.state, via: this.via, why: this.#why };
  }

  start() {
    this.#why = "";
    this.#play(this.wish === "hls" ? "hls" : "webrtc");
  }

  stop() {
    this.#current?.stop();
  }

  // The stream is live, says the server's list: an ended player begins again, a waiting one does not wait any longer.
  hurry() {
    if (this.#current?.hurry) this.#current.hurry();
    else if (this.state === "ended") this.start();
  }

  #play(via) {
    this.#current?.stop();
    this.via = via;
    const made = via === "hls" ? new HlsPlayer(this.#video, `${this.#base}index.m3u8`) : new WhepPlayer(this.#video, `${this.#base}whep`);
    this.#current = made;
    made.addEventListener("state", () => made === this.#current && this.#changed());
    made.start();
  }

  #changed() {
    if (this.#current.state === "unavailable" && this.wish === "auto") {
      this.#why = this.#current.detail;
      this.#play("hls");
    } else this.dispatchEvent(new Event("state"));
  }
}
