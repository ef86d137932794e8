// One stream's own page, at /{application}/{name}/: its HLS is beside it.

import { byId, poll, setText, showAddresses } from "./common.js";
import { Screen } from "./screen.js";

const key = location.pathname.split("/").filter(Boolean).map(decodeURIComponent).join("/");
const bare = location.pathname.replace(/\/+$/, "");
const screen = new Screen();
const list = byId("addresses");

const own = {
  WHEP: new URL("whep", location.href).href,
  HLS: new URL("index.m3u8", location.href).href,
  "HTTP-FLV": `${location.origin}${bare}.flv`,
  "MPEG-TS": `${location.origin}${bare}.ts`,
  RTMP: `rtmp://${location.hostname}:1935${bare}`,
  SRT: `srt://${location.hostname}:8890?streamid=read:${key}`,
};

function showStreams(streams) {
  const mine = streams.find((stream) => stream.key === key);
  showAddresses(list, { ...own, ...mine?.addresses });
  screen.seen(mine?.state === "live");
}

document.title = `${key} · arcly`;
setText(byId("key"), key);
showAddresses(list, own);
screen.watch("./");
poll("/api/v1/streams", showStreams, () => {}); // the player says by itself when the server is gone
