// One WebRTC session with the server: an offer over HTTP and the URL that restarts or ends what it began.
//
// WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) differ only in who sends. The server is ICE-lite and its answer has all
// its candidates, so nothing is trickled: it learns ours from the checks it is sent.

const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";
const FETCH_MS = 10000;
const END_MS = 2000; // a server that does not answer by then learns it from the closed connection

// The server said no. `retryAfter` is in seconds, undefined where trying again was not suggested.
export class Declined extends Error {
  constructor(status, detail, retryAfter) {
    super(detail || `the server answers ${status}`);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

// Link: <turn:…>; rel="ice-server"; username="…"; credential="…" (RFC 9725 §4.6), as RTCPeerConnection takes it.
export function iceServers(links) {
  const found = [];
  for (const [, url, rest] of (links ?? "").matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"[^"]*"|[^",;\s]+))*)/g)) {
    const parameters = {};
    for (const [, name, quoted, bare] of rest.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|([^",;\s]+))/g)) parameters[name] = quoted ?? bare;
    if (parameters.rel !== "ice-server") continue;
    const { username, credential } = parameters;
    found.push(username ? { urls: url, username, credential } : { urls: url });
  }
  return found;
}

// An answer after an ICE restart: the one before with the credentials and candidates of the server's fragment.
export function renewed(answer, fragment) {
  const value = (name) => fragment.match(new RegExp(`^a=${name}:(.*)$`, "m"))?.[1].trim();
  const candidates = [...fragment.matchAll(/^a=candidate:.*$/gm)].map(([line]) => line.trim());
  let placed = false;
  const lines = answer.trim().split(/\r?\n/).flatMap((line) => {
    if (/^a=(candidate:|end-of-candidates)/.test(line)) return [];
    if (line.startsWith("a=ice-pwd:")) return [`a=ice-pwd:${value("ice-pwd")}`];
    if (!line.startsWith("a=ice-ufrag:")) return [line];
    const own = placed ? [] : candidates; // sections after the first share its transport
    placed = true;
    return [`a=ice-ufrag:${value("ice-ufrag")}`, ...own];
  });
  return `${lines.join("\r\n")}\r\n`;
}

// Our new credentials, for the section that has the transport.
function credentials(offer) {
  const section = offer.slice(offer.search(/^m=/m));
  const line = (pattern) => section.match(pattern)[0];
  return [line(/^m=.*$/m), line(/^a=mid:.*$/m), line(/^a=ice-ufrag:.*$/m), line(/^a=ice-pwd:.*$/m), ""]
    .map((each) => each.trim())
    .join("\r\n");
}

async function problem(answer) {
  let detail = "";
  if (answer.headers.get("Content-Type")?.includes("problem+json")) detail = (await answer.json().catch(() => ({}))).detail;
  const after = Number(answer.headers.get("Retry-After"));
  return new Declined(answer.status, detail, after || undefined);
}

export class Session {
  #address;
  #headers;
  #etag = "";
  #ending = null;
  url = ""; // of the session, "" before it was opened and after it was ended

  constructor(connection, address, token = "") {
    this.connection = connection;
    this.#address = address;
    this.#headers = token ? { Authorization: `Bearer ${token}` } : {};
  }

  // Offer what the connection has by now. Throws `Declined`, and what fetch throws when the server is not there.
  async open(signal) {
    const { connection } = this;
    const offer = await connection.createOffer();
    const answer = await this.#ask("POST", this.#address, SDP, offer.sdp, {}, signal);
    this.url = new URL(answer.headers.get("Location"), this.#address).href;
    this.#etag = answer.headers.get("ETag") ?? "";
    if (signal.aborted) return this.end();
    const servers = iceServers(answer.headers.get("Link"));
    if (servers.length) connection.setConfiguration({ ...connection.getConfiguration(), iceServers: servers });
    await connection.setLocalDescription(offer); // gathering begins here, with those servers
    await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  }

  // Another network, say: find a new path for the same session. Throws as `open` does; the session stays as it was then.
  async restart(signal) {
    const { connection } = this;
    const before = connection.remoteDescription.sdp;
    connection.restartIce();
    const offer = await connection.createOffer();
    await connection.setLocalDescription(offer);
    try {
      const answer = await this.#ask("PATCH", this.url, FRAGMENT, credentials(offer.sdp), { "If-Match": this.#etag || "*" }, signal);
      this.#etag = answer.headers.get("ETag") ?? this.#etag;
      await connection.setRemoteDescription({ type: "answer", sdp: renewed(before, await answer.text()) });
    } catch (error) {
      if (connection.signalingState === "have-local-offer") await connection.setLocalDescription({ type: "rollback" });
      throw error;
    }
  }

  // The server has ended it: there is nothing to delete.
  forget() {
    this.url = "";
  }

  // It is over. The request outlives the page; it goes first, for to close the connection would end the session as well.
  end() {
    return (this.#ending ??= this.#end(this.url));
  }

  async #end(url) {
    this.forget();
    if (url) await fetch(url, { method: "DELETE", headers: this.#headers, keepalive: true, signal: AbortSignal.timeout(END_MS) }).catch(() => {});
    this.connection.close();
  }

  async #ask(method, address, type, body, headers, signal) {
    const answer = await fetch(address, {
      method,
      body,
      headers: { ...this.#headers, "Content-Type": type, ...headers },
      signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]),
    });
    if (!answer.ok) throw await problem(answer);
    return answer;
  }
}
