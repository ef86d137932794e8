// Plays one live HLS presentation of fragmented MP4 through Media Source Extensions.
//
// States: connecting -> playing <-> waiting (nothing to play: held, or the server does not answer; it keeps trying)
// -> ended (the playlist says so), or unplayable. Browsers without MediaSource, and playlists of MPEG-TS, use the
// browser's own HLS. "state" events follow every change.

import { readInit, startOf } from "./mp4.js";
import { parsePlaylist } from "./playlist.js";
import { Stateful } from "./stateful.js";

const JOIN_SEGMENTS = 3; // RFC 8216, 6.3.3: begin no nearer to the live edge than that
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 5000;
const FETCH_MS = 10000;
const GAP_S = 0.25; // a segment this far from where the one before it ended is moved there
const KEEP_S = 30; // of what was played already
const CATCH_UP = 1.06; // nobody hears it, and 1 s is made good in 17 s
const NATIVE = "application/vnd.apple.mpegurl";

class Unplayable extends Error {}

export class HlsPlayer extends Stateful {
  #video;
  #address;
  #abort = null;
  #source = null;
  #buffer = null;
  #media = null; // the media playlist's address
  #mime = "";
  #kinds = ""; // of tracks, fixed for the life of a SourceBuffer
  #expected = 0; // where the next segment should begin
  #over = false; // the playlist has ended
  #shown = { decoded: 0, dropped: 0 }; // by the media sources before this one
  #map = null; // the initialisation segment in force: {uri, data, mime, timescales}
  #began = 0;
  #startup = null; // ms from the start to the first picture
  #last = -1; // the newest segment's sequence number
  #target = 2;
  #ticker = 0;
  #counts = { stalls: 0, segments: 0, discontinuities: 0, bytes: 0, seconds: 0, retries: 0 };

  constructor(video, address) {
    super();
    this.#video = video;
    this.#address = new URL(address, document.baseURI).href;
  }

  // What happened so far; times in seconds, bit rate in bits per second.
  get stats() {
    const quality = this.#video.getVideoPlaybackQuality?.();
    return {
      ...this.#counts,
      state: this.state,
      detail: this.detail,
      mime: this.#mime,
      codecs: this.#mime.match(/codecs="(.*)"/)?.[1].replace(",", " · ") ?? "",
      freezes: this.#counts.stalls,
      packetsLost: 0, // TCP sees to that
      startup: this.#startup,
      decoded: this.#shown.decoded + (quality?.totalVideoFrames ?? 0),
      dropped: this.#shown.dropped + (quality?.droppedVideoFrames ?? 0),
      buffer: this.#ahead(),
      latency: this.#media ? this.#ahead() : null, // at least: the segment being made is not in it
      rate: this.#video.playbackRate,
      bitrate: this.#counts.seconds ? (this.#counts.bytes * 8) / this.#counts.seconds : 0,
      width: this.#video.videoWidth,
      height: this.#video.videoHeight,
    };
  }

  start() {
    this.stop();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#began = performance.now();
    this.#startup = null;
    this._set("connecting");
    this.#video.addEventListener("waiting", () => this.#starved(), { signal });
    this.#video.addEventListener("playing", () => this.#shows(), { signal });
    this.#video.addEventListener("ended", () => this.#over && this._set("ended"), { signal });
    this.#ticker = setInterval(() => this.#follow(), 250);
    this.#run(signal);
  }

  stop() {
    this.#abort?.abort();
    clearInterval(this.#ticker);
    this.#over = false;
    this.#media = null;
    this.#detach();
    this._set("idle");
  }

  #shows() {
    this.#startup ??= performance.now() - this.#began;
    this._set("playing");
  }

  #starved() {
    if (this.state !== "playing" || this.#video.seeking) return;
    this.#counts.stalls++;
    this._set("waiting", "no new media yet");
  }

  async #run(signal) {
    let backoff = FIRST_BACKOFF_MS;
    while (!signal.aborted) {
      const began = performance.now();
      let pause;
      try {
        const [playlist, added] = await this.#advance(signal);
        if (signal.aborted) return;
        if (!playlist) return; // the browser plays it by itself
        if (playlist.ended) return this.#finish();
        pause = (added?.duration || this.#target / 2) * 1000 - (performance.now() - began);
        backoff = FIRST_BACKOFF_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Unplayable) return this._set("unplayable", error.message);
        this.#failed(error);
        pause = backoff;
        backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
      }
      await new Promise((wake) => setTimeout(wake, Math.max(pause, 100)));
    }
  }

  #failed(error) {
    this.#counts.retries++;
    this.#media = null; // the master playlist may name another by now
    if (this.#video.error) this.#detach(); // and join anew
    if (this.#ahead() < 0.1) this._set("waiting", error.message);
  }

  // One reading of the playlist and of all that is new in it: [playlist, newest segment or undefined].
  async #advance(signal) {
    const playlist = await this.#playlist(signal);
    const { segments } = playlist;
    if (!window.MediaSource && !window.ManagedMediaSource) return [this.#native(), undefined];
    if (segments.some((segment) => !segment.map)) return [this.#native("its HLS has MPEG-TS segments"), undefined];
    this.#target = playlist.target || this.#target;
    const newest = segments.at(-1)?.sequence ?? this.#last;
    if (newest < this.#last) this.#last = -1; // numbered afresh: another run of the server
    const fresh = segments.filter((segment) => segment.sequence > this.#last);
    const due = this.#last < 0 && !playlist.ended ? fresh.slice(-JOIN_SEGMENTS) : fresh;
    for (const segment of due) {
      await this.#add(segment, signal);
      this.#last = segment.sequence;
    }
    return [playlist, due.at(-1)];
  }

  async #playlist(signal) {
    if (this.#media === null) {
      const playlist = parsePlaylist(await (await this.#fetch(this.#address, signal)).text(), this.#address);
      this.#media = playlist.variants ? playlist.variants[0].uri : this.#address;
      if (!playlist.variants) return playlist;
    }
    return parsePlaylist(await (await this.#fetch(this.#media, signal)).text(), this.#media);
  }

  async #fetch(address, signal) {
    const answer = await fetch(address, { signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]) });
    if (!answer.ok) throw new Error(answer.status === 404 ? "the stream is not live" : `the server answers ${answer.status}`);
    return answer;
  }

  async #add(segment, signal) {
    const data = await (await this.#fetch(segment.uri, signal)).arrayBuffer();
    if (!this.#buffer || segment.discontinuity || this.#map?.uri !== segment.map) await this.#configure(segment, signal);
    await this.#settled(() => {});
    const first = this.#buffer.buffered.length === 0;
    this.#place(startOf(data, this.#map.timescales), segment.duration, first);
    await this.#append(data);
    this.#counts.segments++;
    this.#counts.bytes += data.byteLength;
    this.#counts.seconds += segment.duration;
    if (first) this.#play();
  }

  // Timestamps that begin anew, or leap, are laid where the segment before ended: viewing goes on without a gap. That
  // is reckoned by the playlist's durations, for `buffered` has only what all tracks have.
  #place(start, duration, first) {
    const expected = first ? 0 : this.#expected;
    const begins = start + this.#buffer.timestampOffset;
    const leap = Math.abs(begins - expected) > GAP_S;
    if (leap) this.#buffer.timestampOffset += expected - begins;
    this.#expected = (leap || !(begins >= 0) ? expected : begins) + duration;
  }

  async #configure(segment, signal) {
    if (this.#map && segment.discontinuity) this.#counts.discontinuities++;
    if (this.#map?.uri !== segment.map) {
      const data = await (await this.#fetch(segment.map, signal)).arrayBuffer();
      this.#map = { uri: segment.map, data, ...readInit(data) };
    }
    const { mime, kinds, data } = this.#map;
    if (this.#buffer && kinds !== this.#kinds) await this.#playOut();
    const kind = window.ManagedMediaSource ?? window.MediaSource;
    if (!kind.isTypeSupported(mime)) throw new Unplayable(`this browser cannot play ${mime}`);
    if (!this.#buffer) await this.#attach(kind, mime);
    await this.#settled(() => {});
    if (this.#mime && mime !== this.#mime) this.#buffer.changeType(mime);
    this.#mime = mime;
    this.#kinds = kinds;
    await this.#append(data);
  }

  async #attach(kind, mime) {
    const source = new kind();
    this.#video.disableRemotePlayback = true; // ManagedMediaSource insists
    this.#video.src = URL.createObjectURL(source);
    await new Promise((open) => source.addEventListener("sourceopen", open, { once: true }));
    URL.revokeObjectURL(this.#video.src);
    source.duration = Infinity;
    this.#source = source;
    this.#buffer = source.addSourceBuffer(mime);
  }

  // A SourceBuffer keeps its set of tracks for life (MSE: "initialization segment received"), so another set needs another source.
  async #playOut() {
    await this.#settled(() => {});
    const left = this.#ahead();
    this.#source.endOfStream();
    await new Promise((over) => {
      this.#video.addEventListener("ended", over, { once: true });
      setTimeout(over, (left + 1) * 1000);
    });
    const { decoded, dropped } = this.stats;
    this.#shown = { decoded, dropped };
    this.#source = this.#buffer = null;
    this.#mime = "";
  }

  #detach() {
    this.#source = this.#buffer = this.#map = null;
    this.#mime = "";
    this.#last = -1;
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  async #append(data) {
    try {
      this.#buffer.appendBuffer(data);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      await this.#settled(() => this.#buffer.remove(0, Math.max(0.1, this.#video.currentTime - 1)));
      this.#buffer.appendBuffer(data);
    }
    await this.#settled(() => {});
  }

  async #settled(begin) {
    const buffer = this.#buffer;
    begin();
    if (buffer.updating) await new Promise((done) => buffer.addEventListener("updateend", done, { once: true }));
    if (this.#video.error) throw new Error(this.#video.error.message || "the media cannot be decoded");
  }

  #play() {
    const { buffered } = this.#buffer;
    if (buffered.length) this.#video.currentTime = buffered.start(0);
    this.#video.play().catch(() => {
      this.#video.muted = true; // browsers let silent video begin by itself
      this.#video.play().catch(() => this._set("waiting", "press play"));
    });
  }

  #native(reason = "it has no MediaSource") {
    if (!this.#video.canPlayType(NATIVE)) throw new Unplayable(`this browser cannot play the stream: ${reason}`);
    if (this.#video.src !== this.#address) this.#video.src = this.#address;
    this.#mime = NATIVE;
    this.#video.play().catch(() => this._set("waiting", "press play"));
    return null;
  }

  #finish() {
    this.#over = true;
    if (this.#source?.readyState === "open") this.#source.endOfStream();
    if (!this.#buffer || this.#ahead() < 0.05) this._set("ended");
  }

  #end() {
    const buffered = this.#buffer?.buffered;
    return buffered?.length ? buffered.end(buffered.length - 1) : 0;
  }

  #ahead() {
    return this.#buffer ? Math.max(0, this.#end() - this.#video.currentTime) : 0;
  }

  // Four times a second: step over small holes, stay near the live edge, let go of what was played.
  #follow() {
    const video = this.#video;
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || video.seeking || this.#source.readyState === "closed") return;
    const ranges = [...Array(buffer.buffered.length).keys()].map((at) => [buffer.buffered.start(at), buffer.buffered.end(at)]);
    const inside = ranges.some(([start, end]) => start <= video.currentTime && video.currentTime < end - 0.05);
    const next = ranges.find(([start]) => start > video.currentTime);
    if (!inside && next) video.currentTime = next[0] + 0.01;
    if (video.paused || this.#source.readyState !== "open") return void (video.playbackRate = 1);
    const wanted = 1.5 * this.#target;
    const ahead = this.#ahead();
    if (ahead > wanted + Math.max(10, 5 * this.#target)) video.currentTime = this.#end() - wanted;
    video.playbackRate = ahead > wanted + this.#target ? CATCH_UP : ahead < wanted ? 1 : video.playbackRate;
    if (ranges.length && video.currentTime - ranges[0][0] > 2 * KEEP_S) buffer.remove(0, video.currentTime - KEEP_S);
  }
}
