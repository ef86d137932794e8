// Publishes a MediaStream over WHIP.
//
// States: idle -> connecting -> publishing -> waiting (the connection was lost, or the server is not there: it tries again)
// -> connecting …; failed: the server said no, or another publisher has the stream now. "state" events follow every change.

import { Closed, connected, ended } from "./connection.js";
import { encodings, preferred } from "./encoding.js";
import { Declined, Session } from "./session.js";
import { Stateful } from "./stateful.js";
import { Rate, sent } from "./stats.js";
import { Backoff, pause } from "./waiting.js";

const SAMPLE_MS = 500;
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 10000;

const WORDS = {
  401: "The server wants another token.",
  403: "The server does not let you publish this stream.",
  405: "This server takes nothing over WebRTC.",
  406: "The server can take nothing of what this browser offers.",
  409: "Somebody else publishes this stream.",
  422: "The server cannot take this codec.",
};

// Why it does not work, for people.
function plain(error) {
  if (error instanceof TypeError) return "The server does not answer.";
  if (!(error instanceof Declined)) return `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
  if (error.status === 404) return `The server does not know this application: ${error.message}.`;
  return WORDS[error.status] ?? `The server says: ${error.message}.`;
}

export class WhipPublisher extends Stateful {
  #key;
  #address;
  #abort = null;
  #session = null;
  #now = sent(new Map());
  #bitrate = 0;
  #counts = { sessions: 0, retries: 0 };

  // `key` names the stream as the server's list does; `address` is its WHIP endpoint.
  constructor(key, address) {
    super();
    this.#key = key;
    this.#address = new URL(address, document.baseURI).href;
  }

  // Of the connection of now; bit rate in bits per second.
  get stats() {
    const connection = this.#session?.connection.connectionState ?? "closed";
    return { ...this.#now, ...this.#counts, bitrate: this.#bitrate, state: this.state, detail: this.detail, connection };
  }

  get session() {
    return this.#session;
  }

  // `settings`: codec (a MIME type), kbps (of the picture), simulcast, token.
  start(stream, settings) {
    this.stop();
    this.#abort = new AbortController();
    this.#run(stream, settings, this.#abort.signal);
  }

  stop() {
    this.#abort?.abort();
    this.#session?.end();
    this.#session = null;
    this._set("idle");
  }

  async #run(stream, settings, signal) {
    if (!window.RTCPeerConnection) return this._set("failed", "This browser has no WebRTC.");
    const backoff = new Backoff(FIRST_BACKOFF_MS, MAX_BACKOFF_MS);
    let published = false;
    while (!signal.aborted) {
      this._set("connecting", this.detail);
      try {
        await this.#publish(stream, settings, signal, () => {
          published = true;
          backoff.reset();
        });
      } catch (error) {
        if (signal.aborted) return;
        if (await this.#final(error, published, signal)) return;
        this.#counts.retries++;
        this._set("waiting", `${plain(error)} Trying again…`);
        await backoff.wait(signal, (error.retryAfter ?? 0) * 1000);
      }
    }
  }

  // Whether there is no use in trying again; then it says so.
  async #final(error, published, signal) {
    const busy = error instanceof Declined && error.status === 409 && published; // by what is left of our own session
    const refused = error instanceof Declined && error.status < 500 && !busy;
    const taken = error instanceof Closed && (await this.#taken(signal));
    if (refused || taken) this._set("failed", taken ? "Somebody else publishes this stream now." : plain(error));
    return refused || taken || signal.aborted;
  }

  async #taken(signal) {
    try {
      const streams = await (await fetch("/api/v1/streams", { signal, cache: "no-store" })).json();
      return streams.some(({ key, state }) => key === this.#key && state === "live");
    } catch {
      return false; // the server is gone, and others with it
    }
  }

  // One session from its offer to its end. Throws why it could not be had, or why it ended.
  async #publish(stream, settings, signal, began) {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const session = (this.#session = new Session(connection, this.#address, settings.token));
    const over = new AbortController();
    const own = AbortSignal.any([signal, over.signal]);
    try {
      this.#offer(connection, stream, settings);
      await session.open(signal);
      if (signal.aborted) return;
      await connected(connection, own);
      this.#counts.sessions++;
      began();
      this._set("publishing");
      this.#sample(connection, own);
      await ended(session, own);
    } finally {
      over.abort();
      session.end();
    }
  }

  #offer(connection, stream, settings) {
    for (const track of stream.getTracks()) {
      const video = track.kind === "video";
      const sendEncodings = video ? encodings(settings) : [{}];
      const transceiver = connection.addTransceiver(track, { direction: "sendonly", streams: [stream], sendEncodings });
      if (video) transceiver.setCodecPreferences?.(preferred(settings.codec));
    }
  }

  async #sample(connection, signal) {
    const bits = new Rate();
    for (; !signal.aborted; await pause(SAMPLE_MS, signal)) {
      this.#now = sent(await connection.getStats());
      this.#bitrate = bits.sample(this.#now.bytes * 8);
    }
  }
}
