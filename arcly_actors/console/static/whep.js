// Plays one stream over WHEP.
//
// States: connecting -> playing <-> waiting (held, not live yet, or the server does not answer) -> ended (the server closed
// the connection); in all of these it keeps trying. unavailable: it cannot be had over WebRTC, and another way should be
// taken. "state" events follow every change.

import { Unreachable, connected, ended } from "./connection.js";
import { Declined, Session } from "./session.js";
import { Stateful } from "./stateful.js";
import { Rate, received } from "./stats.js";
import { Backoff, pause } from "./waiting.js";

const SILENCE_MS = 1500; // longer than any gap that is not a hold
const SAMPLE_MS = 500;
const MAX_BACKOFF_MS = 5000;
const PASSING = new Set([408, 409, 425, 429]); // of 4xx; with any other, trying again changes nothing
const ABSENT = new Set([405, 501]); // nothing takes a POST there

class Unavailable extends Error {}

export class WhepPlayer extends Stateful {
  #video;
  #address;
  #abort = null;
  #session = null;
  #backoff = new Backoff(300, MAX_BACKOFF_MS);
  #now = received(new Map()); // the last sample
  #before = { decoded: 0, dropped: 0, freezes: 0, packetsLost: 0 }; // by the connections before this one
  #rates = {};
  #heard = 0; // when packets last came
  #counts = { stalls: 0, retries: 0, sessions: 0 };
  #derived = { bitrate: 0, latency: null };
  #startup = null;
  #shown = false;

  constructor(video, address) {
    super();
    this.#video = video;
    this.#address = new URL(address, document.baseURI).href;
  }

  // What happened so far; times in seconds unless they say otherwise, bit rate in bits per second.
  get stats() {
    const { decoded, dropped, freezes, packetsLost } = this.#before;
    return {
      ...this.#now,
      ...this.#counts,
      ...this.#derived,
      state: this.state,
      detail: this.detail,
      mime: "",
      decoded: decoded + this.#now.decoded,
      dropped: dropped + this.#now.dropped,
      freezes: freezes + this.#now.freezes,
      packetsLost: packetsLost + this.#now.packetsLost,
      startup: this.#startup, // ms from the offer to the first picture
      connection: this.#session?.connection.connectionState ?? "closed",
      buffer: 0,
      rate: this.#video.playbackRate,
      width: this.#video.videoWidth,
      height: this.#video.videoHeight,
    };
  }

  get session() {
    return this.#session;
  }

  start() {
    this.stop();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#shown = false;
    this._set("connecting");
    this.#video.addEventListener("playing", () => this.#playing(), { signal });
    this.#run(signal);
  }

  stop() {
    this.#abort?.abort();
    this.#session?.end();
    this.#session = null;
    this.#video.srcObject = null;
    this._set("idle");
  }

  // The stream is live, says somebody who knows: do not wait any longer.
  hurry() {
    this.#backoff.hurry();
  }

  async #run(signal) {
    if (!window.RTCPeerConnection) return this._set("unavailable", "this browser has no WebRTC");
    while (!signal.aborted) {
      let after;
      try {
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Unavailable || error instanceof Unreachable) return this._set("unavailable", error.message);
        this.#counts.retries++;
        after = error.retryAfter;
        const over = this.#shown && error.status === 409;
        this._set(over ? "ended" : "waiting", error.message);
      }
      if (!signal.aborted) await this.#backoff.wait(signal, (after ?? 0) * 1000);
    }
  }

  // One session from its offer to its end. Throws why it could not be had, or why it ended.
  async #watch(signal) {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const session = (this.#session = new Session(connection, this.#address));
    const over = new AbortController();
    const own = AbortSignal.any([signal, over.signal]);
    const began = performance.now();
    try {
      const stream = this.#expect(connection, began);
      await this.#open(session, signal);
      if (signal.aborted) return;
      this.#video.srcObject = stream;
      this.#video.play().catch(() => this.#muted());
      await connected(connection, own);
      this.#counts.sessions++;
      this.#heard = performance.now();
      this.#sample(connection, own);
      await ended(session, own);
    } finally {
      over.abort();
      session.end();
      this.#keep();
    }
  }

  async #open(session, signal) {
    try {
      await session.open(signal);
    } catch (error) {
      const final = error instanceof Declined && error.status < 500 && !PASSING.has(error.status);
      throw final ? new Unavailable(ABSENT.has(error.status) ? "this server does not offer it" : error.message) : error;
    }
  }

  #expect(connection, began) {
    const stream = new MediaStream();
    for (const kind of ["video", "audio"]) connection.addTransceiver(kind, { direction: "recvonly" });
    connection.addEventListener("track", ({ track }) => stream.addTrack(track));
    this.#startup = null;
    this.#video.requestVideoFrameCallback?.(() => (this.#startup = performance.now() - began));
    return stream;
  }

  #muted() {
    this.#video.muted = true; // browsers let silent video begin by itself
    this.#video.play().catch((error) => error.name === "NotAllowedError" && this._set("waiting", "press play"));
  }

  #playing() {
    if (!this.#session) return;
    this.#shown = true;
    this.#backoff.reset();
    this._set("playing");
  }

  // Look at the connection until it is over: figures, and whether anything comes.
  async #sample(connection, signal) {
    this.#rates = { bits: new Rate(), delay: new Rate() };
    for (; !signal.aborted; await pause(SAMPLE_MS, signal)) {
      const now = received(await connection.getStats());
      if (signal.aborted) return;
      const comes = now.packets > this.#now.packets;
      const shows = now.decoded > this.#now.decoded || (comes && !now.decoded);
      this.#now = now;
      this.#derive(now);
      if (comes) this.#heard = performance.now();
      if (shows && this.state === "waiting" && !this.#video.paused) this.#playing();
      if (!["connecting", "playing"].includes(this.state) || performance.now() - this.#heard < SILENCE_MS) continue;
      if (this.state === "playing") this.#counts.stalls++;
      this._set("waiting", "nothing comes at the moment");
    }
  }

  #derive(now) {
    const delay = this.#rates.delay.sample(now.processing, now.decoded); // from first packet to picture
    this.#derived = {
      bitrate: this.#rates.bits.sample(now.bytes * 8),
      latency: delay ? delay + (now.roundTrip ?? 0) / 2000 : null,
    };
  }

  #keep() {
    for (const name of Object.keys(this.#before)) this.#before[name] += this.#now[name];
    this.#now = received(new Map());
    this.#derived = { bitrate: 0, latency: null };
  }
}
