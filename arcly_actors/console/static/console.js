// The console: what is live, the tree that keeps it alive, and a player for the chosen stream.

import { bits, byId, element, media, number, pagePath, poll, setText, span } from "./common.js";
import { Screen } from "./screen.js";

const COLUMNS = 8;
const screen = new Screen();
let chosen = decodeURIComponent(location.hash.slice(1));

function choose(key) {
  chosen = key;
  history.replaceState(null, "", `#${encodeURIComponent(key)}`);
  setText(byId("player-title"), key);
  byId("links").replaceChildren(element("a", { href: pagePath(key) }, "Open its own page"), element("a", { href: `${pagePath(key)}publish` }, "Publish to it"));
  screen.watch(pagePath(key));
  mark();
}

function mark() {
  for (const row of byId("rows").children) {
    const mine = row.dataset.key === chosen;
    row.classList.toggle("chosen", mine);
    row.querySelector("button").setAttribute("aria-pressed", String(mine));
  }
}

function makeRow(key) {
  const button = element("button", { type: "button" }, key);
  button.setAttribute("aria-label", `Watch ${key}`);
  const row = element("tr", {}, element("th", { scope: "row" }, button, element("small")));
  for (let column = 1; column < COLUMNS; column++) row.append(element("td", { className: column > 2 ? "number" : "" }));
  row.children[1].append(element("span", { className: "pill" }));
  row.dataset.key = key;
  row.addEventListener("click", () => choose(key));
  return row;
}

function fillRow(row, stream) {
  const [name, state, ...rest] = row.children;
  setText(name.lastChild, stream.protocol);
  state.firstChild.dataset.state = stream.state;
  setText(state.firstChild, stream.state);
  const gop = stream.gop_s === null ? "–" : `${number(stream.gop_s, 1)} s`;
  const texts = [media(stream.tracks), bits(stream.bitrate), number(stream.fps, 1), gop];
  [...texts, String(stream.viewers), span(stream.since_s)].forEach((text, at) => setText(rest[at], text));
}

function showStreams(streams) {
  const rows = byId("rows");
  const known = new Map([...rows.children].map((row) => [row.dataset.key, row]));
  const wanted = streams.map((stream) => {
    const row = known.get(stream.key) ?? makeRow(stream.key);
    fillRow(row, stream);
    return row;
  });
  const changed = wanted.length !== rows.children.length || wanted.some((row, at) => rows.children[at] !== row);
  if (changed) rows.replaceChildren(...wanted);
  byId("empty").hidden = streams.length > 0;
  rows.closest(".scroll").hidden = streams.length === 0;
  const sum = (field) => streams.reduce((total, stream) => total + (stream[field] || 0), 0);
  setText(byId("total-streams"), String(streams.length));
  setText(byId("total-viewers"), String(sum("viewers")));
  setText(byId("total-bitrate"), bits(sum("bitrate")));
  if (!screen.player && streams.length) choose(streams.some(({ key }) => key === chosen) ? chosen : streams[0].key);
  else if (changed) mark();
  screen.seen(streams.some(({ key, state }) => key === chosen && state === "live"));
}

function makeNode() {
  const line = element("div", { className: "line" });
  line.append(element("span", { className: "dot" }), element("span", { className: "name" }), element("span", { className: "what" }));
  return element("li", {}, line, element("p", { className: "error" }), element("ul"));
}

// Fills list items in place, so that a reader's place and a selection survive the next second.
function showNodes(list, nodes) {
  while (list.children.length > nodes.length) list.lastChild.remove();
  nodes.forEach((node, at) => {
    const item = list.children[at] ?? list.appendChild(makeNode());
    const [line, error, children] = item.children;
    line.children[0].dataset.state = node.state;
    setText(line.children[1], node.id);
    const restarts = node.restarts ? ` · ${node.restarts} ${node.restarts === 1 ? "restart" : "restarts"}` : "";
    setText(line.children[2], node.state + restarts);
    error.hidden = !node.last_error;
    setText(error, node.last_error ?? "");
    showNodes(children, node.children);
  });
}

function showTree(root) {
  showNodes(byId("tree"), [root]);
  showHealth(root.state);
}

function showHealth(state) {
  byId("health").dataset.state = state;
  setText(byId("health"), state);
}

const lost = () => showHealth("unreachable");

byId("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("begin-key").value.split("/").filter(Boolean).join("/");
  if (key.includes("/")) location.assign(`${pagePath(key)}publish`);
});
setText(byId("hint"), `ffmpeg -re -i clip.mp4 -c copy -f flv rtmp://${location.hostname}:1935/live/cam`);
poll("/api/v1/streams", showStreams, lost);
poll("/api/v1/tree", showTree, lost);
