// A player and its surroundings: state, notice, figures, and the switch between the ways of playing.

import { bits, byId, element, setText, showFigures } from "./common.js";
import { NAMES, Player, WISHES } from "./player.js";
import { Rate } from "./stats.js";

const FIGURES_MS = 500;
const KEY = "arcly-via";
const NOTICES = { connecting: "Connecting…", waiting: "Waiting for the stream…", ended: "The stream has ended.", idle: "" };

const ms = (seconds) => (typeof seconds !== "number" ? "–" : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);

// What the address asks for (?via=hls), else what was chosen last.
function wished() {
  const asked = new URLSearchParams(location.search).get("via") ?? localStorage.getItem(KEY);
  return asked in WISHES ? asked : "auto";
}

// The video element with its pill, notice, figures and switch; `watch(base)` plays another stream.
export class Screen {
  player = null;
  #wish = wished();
  #decoded = new Rate();
  #live = true;

  constructor() {
    setInterval(() => this.#figures(), FIGURES_MS);
    addEventListener("pagehide", () => this.player?.stop());
    addEventListener("pageshow", ({ persisted }) => persisted && this.player?.start());
    this.#switch();
  }

  watch(base) {
    this.player?.stop();
    this.player = window.arclyPlayer = new Player(byId("video"), base, this.#wish);
    this.#decoded = new Rate();
    this.#live = true;
    this.player.addEventListener("state", () => this.#show());
    this.player.start();
    this.#show();
  }

  // The server's word on the stream.
  seen(live) {
    const news = live && !this.#live;
    this.#live = live;
    if (live && (news || this.player?.state === "ended")) this.player?.hurry();
  }

  #switch() {
    const choices = Object.entries(WISHES).map(([wish, name]) => {
      const button = element("input", { type: "radio", name: "via", value: wish, checked: wish === this.#wish });
      button.addEventListener("change", () => this.#choose(wish));
      return element("label", {}, button, element("span", {}, name));
    });
    byId("via").append(...choices);
  }

  #choose(wish) {
    this.#wish = wish;
    localStorage.setItem(KEY, wish);
    if (!this.player) return;
    this.player.wish = wish;
    this.player.start();
  }

  #show() {
    const { state, detail, via } = this.player;
    const pill = byId("player-state");
    pill.hidden = state === "idle";
    pill.dataset.state = state;
    setText(pill, state === "playing" ? `playing · ${NAMES[via]}` : state);
    const notice = byId("notice");
    notice.hidden = state === "playing";
    setText(notice, state === "unplayable" ? detail : NOTICES[state] + (state === "waiting" && detail ? ` (${detail})` : ""));
  }

  #figures() {
    if (!this.player || this.player.state === "idle") return;
    const stats = this.player.stats;
    const { width, height, bitrate, latency, buffer, decoded, dropped, freezes, packetsLost, codecs, via, why } = stats;
    const fps = this.#decoded.sample(decoded);
    showFigures(byId("figures"), {
      Plays: NAMES[via],
      Picture: width ? `${width}×${height}` : "–",
      Codecs: codecs || "–",
      Fps: fps ? fps.toFixed(1) : "–",
      "Bit rate": bitrate ? bits(bitrate) : "–",
      [via === "hls" ? "Buffer" : "Delay"]: via === "hls" ? `${buffer.toFixed(1)} s` : ms(latency),
      Decoded: String(decoded),
      Dropped: String(dropped),
      Freezes: String(freezes),
      Lost: via === "hls" ? "–" : String(packetsLost),
    });
    const reason = byId("why");
    reason.hidden = !why;
    setText(reason, why ? `HLS, since WebRTC is not to be had: ${why}` : "");
  }
}
