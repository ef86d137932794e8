// A stream's publish page, at /{application}/{name}/publish: camera or screen, sent over WHIP.

import { capture, list, release } from "./capture.js";
import { bits, byId, element, setText, showAddresses, showFigures } from "./common.js";
import { codecs } from "./encoding.js";
import { WhipPublisher } from "./whip.js";

const FIGURES_MS = 500;
const NOTICES = { idle: "Nothing is sent yet.", connecting: "Connecting…", publishing: "", waiting: "Not connected", failed: "Not sent" };

const bare = location.pathname.replace(/\/publish$/, "");
const key = bare.split("/").filter(Boolean).map(decodeURIComponent).join("/");
const publisher = (window.arclyPublisher = new WhipPublisher(key, `${bare}/whip`));
let stream = null;

const value = (id) => byId(id).value;

function settings() {
  return {
    source: value("source"),
    camera: value("camera"),
    microphone: value("microphone"),
    codec: value("codec"),
    height: Number(value("height")),
    fps: Number(value("fps")),
    kbps: Number(value("kbps")),
    simulcast: byId("simulcast").checked,
    token: value("token"),
  };
}

function trouble(text) {
  byId("trouble").hidden = !text;
  setText(byId("trouble"), text);
}

function options(id, entries) {
  const select = byId(id);
  const known = new Set([...select.options].map((option) => option.value));
  for (const [each, name] of entries) {
    if (known.has(each)) [...select.options].find((option) => option.value === each).textContent = name;
    else select.append(element("option", { value: each }, name));
  }
}

async function showDevices() {
  options("camera", await list("videoinput"));
  options("microphone", await list("audioinput"));
}

// A new capture with the settings of now; true if there is one.
async function captured() {
  trouble("");
  release(stream);
  stream = null;
  try {
    stream = await capture(settings());
  } catch (error) {
    byId("preview").srcObject = null;
    trouble(error.message);
    return false;
  }
  byId("preview").srcObject = stream;
  stream.getVideoTracks()[0].addEventListener("ended", () => stop("The source has ended."));
  showDevices();
  return true;
}

async function go(event) {
  event.preventDefault();
  byId("go").disabled = true;
  if (await captured()) publisher.start(stream, settings());
  byId("go").disabled = false;
}

function stop(why = "") {
  publisher.stop();
  release(stream);
  stream = byId("preview").srcObject = null;
  trouble(why);
}

function show() {
  const { state, detail } = publisher;
  const busy = state !== "idle" && state !== "failed";
  byId("state").dataset.state = state;
  setText(byId("state"), state === "publishing" ? "live" : state);
  setText(byId("notice"), NOTICES[state]);
  byId("notice").hidden = !NOTICES[state];
  byId("settings").disabled = busy;
  for (const id of ["try", "go"]) byId(id).hidden = busy;
  byId("stop").hidden = !busy;
  trouble(detail);
}

function figures() {
  if (publisher.state !== "publishing") return;
  const { width, height, fps, bitrate, codecs, encoded, nacks, plis, resent, roundTrip, limit, layers } = publisher.stats;
  showFigures(byId("figures"), {
    Picture: width ? `${width}×${height}` : "–",
    Fps: fps ? fps.toFixed(0) : "–",
    "Bit rate": bitrate ? bits(bitrate) : "–",
    Codecs: codecs || "–",
    Layers: String(layers),
    Encoded: String(encoded),
    "Round trip": roundTrip === null ? "–" : `${roundTrip.toFixed(0)} ms`,
    NACK: String(nacks),
    "Sent again": String(resent),
    PLI: String(plis),
    "Held back by": limit === "none" ? "nothing" : limit,
  });
}

document.title = `Publish ${key} · arcly`;
setText(byId("key"), key);
byId("watch").href = `${bare}/`;
options("codec", codecs());
showDevices();
showAddresses(byId("addresses"), {
  WHIP: `${location.origin}${bare}/whip`,
  RTMP: `rtmp://${location.hostname}:1935${bare}`,
  SRT: `srt://${location.hostname}:8890?streamid=publish:${key}`,
});
byId("form").addEventListener("submit", go);
byId("try").addEventListener("click", captured);
byId("stop").addEventListener("click", () => stop());
byId("source").addEventListener("change", () => (byId("camera-label").hidden = value("source") === "screen"));
navigator.mediaDevices?.addEventListener("devicechange", showDevices);
publisher.addEventListener("state", show);
addEventListener("pagehide", () => stop());
setInterval(figures, FIGURES_MS);
