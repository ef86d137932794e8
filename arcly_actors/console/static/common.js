// What the pages share: asking the server once a second, and writing figures for people.

const POLL_MS = 1000;
const FETCH_MS = 5000;

export const byId = (id) => document.getElementById(id);

// An element with text or children. Text is only ever set as text: stream names come from strangers.
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function bits(perSecond) {
  if (typeof perSecond !== "number") return "–";
  if (perSecond < 1e6) return `${Math.round(perSecond / 1e3)} kb/s`;
  return `${(perSecond / 1e6).toFixed(perSecond < 1e7 ? 2 : 1)} Mb/s`;
}

export function span(seconds) {
  if (typeof seconds !== "number") return "–";
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  const clock = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(whole % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${clock}` : clock;
}

export const number = (value, digits = 0) => (typeof value === "number" ? value.toFixed(digits) : "–");

// "h264 1280×720 · aac 48 kHz"
export function media(tracks) {
  return tracks
    .map(({ codec, width, height, sample_rate: rate }) => {
      if (width) return `${codec} ${width}×${height}`;
      return rate ? `${codec} ${rate / 1000} kHz` : codec;
    })
    .join(" · ");
}

// Calls took(value) with each answer and failed(error) for each failure, once a second while the page is visible.
export function poll(address, took, failed) {
  async function once() {
    try {
      const answer = await fetch(address, { signal: AbortSignal.timeout(FETCH_MS), cache: "no-store" });
      if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
      took(await answer.json());
    } catch (error) {
      failed(error);
    }
  }
  async function forever() {
    for (;;) {
      if (!document.hidden) await once();
      await new Promise((wake) => setTimeout(wake, POLL_MS));
    }
  }
  forever();
}

// "/live/cam/" of "live/cam"
export const pagePath = (key) => `/${key.split("/").map(encodeURIComponent).join("/")}/`;

// Fills a <dl> with name -> text, in place.
export function showFigures(list, figures) {
  const names = Object.keys(figures);
  if (list.dataset.names !== names.join()) {
    list.dataset.names = names.join();
    list.replaceChildren(...names.map((name) => element("div", {}, element("dt", {}, name), element("dd"))));
  }
  Object.values(figures).forEach((text, at) => setText(list.children[at].lastChild, text));
}

// Fills a list with addresses to copy, by name.
export function showAddresses(list, addresses) {
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
