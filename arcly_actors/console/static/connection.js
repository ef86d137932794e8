// The life of an RTCPeerConnection after its offer was answered: it connects, it is interrupted, it is over.

import { Declined } from "./session.js";
import { pause } from "./waiting.js";

const CONNECT_MS = 5000; // ICE and DTLS take four round trips; a network that lets no UDP through takes for ever

const REPAIR_MS = 1000;

export class Unreachable extends Error {
  constructor(connection) {
    super(`the server cannot be reached over UDP${hint(connection)}`);
  }
}

// Firefox gathers no candidate of its own on the loopback interface, so it reaches none there.
function hint({ remoteDescription }) {
  const candidates = remoteDescription?.sdp.match(/^a=candidate:.*$/gm) ?? [];
  const loopback = candidates.length > 0 && candidates.every((each) => / (127\.[\d.]+|::1) \d+ typ /.test(each));
  const firefox = navigator.userAgent.includes("Firefox/");
  return loopback && firefox ? ": Firefox does not use 127.0.0.1, let its webrtc listen on 0.0.0.0" : "";
}

// The server has ended it, on purpose.
export class Closed extends Error {
  constructor() {
    super("the server closed the connection");
  }
}

// Resolves when media can flow. Throws `Unreachable` when it does not come to that in time.
export function connected(connection, signal) {
  return new Promise((resolve, reject) => {
    const look = () => {
      const { connectionState } = connection;
      if (connectionState === "connected") resolve();
      if (connectionState === "failed") reject(new Unreachable(connection));
    };
    connection.addEventListener("connectionstatechange", look, { signal });
    signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
    pause(CONNECT_MS, signal).then(() => reject(new Unreachable(connection)));
    look();
  });
}

// Throws once the connection is over. One that is merely interrupted gets a new path, if there is one.
export function ended(session, signal) {
  const { connection } = session;
  const { transport } = connection.getTransceivers().find(({ sender }) => sender.transport).sender; // all share one
  let repairing = null;
  return new Promise((_, reject) => {
    const look = () => {
      if (transport.state === "closed") {
        session.forget();
        reject(new Closed());
      } else if (connection.connectionState === "failed") reject(new Error("the connection was lost"));
      else if (connection.connectionState === "disconnected") repairing ??= repair(session, signal).catch(reject).then(() => (repairing = null));
    };
    transport.addEventListener("statechange", look, { signal });
    connection.addEventListener("connectionstatechange", look, { signal });
    signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
    look();
  });
}

// Restart ICE, over and over while the server cannot even be asked to: whoever changes networks has none for a while.
async function repair(session, signal) {
  while (!signal.aborted && session.connection.connectionState === "disconnected") {
    try {
      return await session.restart(signal);
    } catch (error) {
      if (error instanceof Declined) throw error;
    }
    await pause(REPAIR_MS, signal);
  }
}
