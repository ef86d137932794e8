// One stream's own page, at /{application}/{name}/: its HLS is beside it.

import { byId, element, poll, setText } from "./common.js";
import { Screen } from "./screen.js";

const key = location.pathname.split("/").filter(Boolean).map(decodeURIComponent).join("/");
const bare = location.pathname.replace(/\/+$/, "");
const screen = new Screen();

function showAddresses(addresses) {
  const list = byId("addresses");
  const wanted = JSON.stringify(addresses);
  if (list.dataset.shown === wanted) return;
  list.dataset.shown = wanted;
  list.replaceChildren(
    ...Object.entries(addresses).map(([name, address]) => {
      const copy = element("button", { type: "button", className: "copy" }, "Copy");
      copy.setAttribute("aria-label", `Copy the ${name} address`);
      copy.addEventListener("click", async () => {
        await navigator.clipboard?.writeText(address);
        setText(copy, "Copied");
        setTimeout(() => setText(copy, "Copy"), 1500);
      });
      return element("li", {}, element("span", { className: "kind" }, name), element("code", {}, address), copy);
    }),
  );
}

const own = {
  WHEP: new URL("whep", location.href).href,
  HLS: new URL("index.m3u8", location.href).href,
  "HTTP-FLV": `${location.origin}${bare}.flv`,
  RTMP: `rtmp://${location.hostname}:1935${bare}`,
};

function showStreams(streams) {
  const mine = streams.find((stream) => stream.key === key);
  showAddresses({ ...own, ...mine?.addresses });
  screen.seen(mine?.state === "live");
}

document.title = `${key} · arcly`;
setText(byId("key"), key);
showAddresses(own);
screen.watch("./");
poll("/api/v1/streams", showStreams, () => {}); // the player says by itself when the server is gone
