// What the pages show of getStats (W3C webrtc-stats), and rates made of counters that only rise.

const PICTURE = { decoded: 0, dropped: 0, freezes: 0, frozen: 0, fps: 0, width: 0, height: 0, processing: 0, nacks: 0, plis: 0 };

const codecOf = (report, stats) => report.get(stats.codecId)?.mimeType.split("/")[1].toLowerCase() ?? "";

// ms to the server and back, null before the first answer.
function roundTrip(report) {
  const selected = [...report.values()].find((stats) => stats.type === "transport")?.selectedCandidatePairId;
  const seconds = report.get(selected)?.currentRoundTripTime;
  return typeof seconds === "number" ? seconds * 1000 : null;
}

// Everything that is received, as one flat record; counts since the connection began, `processing` in seconds.
export function received(report) {
  const found = { ...PICTURE, packets: 0, packetsLost: 0, bytes: 0, level: 0, energy: 0, codecs: "", roundTrip: roundTrip(report) };
  const codecs = [];
  for (const stats of report.values()) {
    if (stats.type !== "inbound-rtp") continue;
    found.packets += stats.packetsReceived;
    found.packetsLost += stats.packetsLost;
    found.bytes += stats.bytesReceived;
    found.nacks += stats.nackCount ?? 0;
    if (stats.packetsReceived) codecs.push(codecOf(report, stats));
    if (stats.kind === "audio") {
      found.level = stats.audioLevel ?? 0;
      found.energy = stats.totalAudioEnergy ?? 0;
    } else {
      found.decoded = stats.framesDecoded ?? 0;
      found.dropped = stats.framesDropped ?? 0;
      found.freezes = stats.freezeCount ?? 0;
      found.frozen = stats.totalFreezesDuration ?? 0;
      found.fps = stats.framesPerSecond ?? 0;
      found.width = stats.frameWidth ?? 0;
      found.height = stats.frameHeight ?? 0;
      found.processing = stats.totalProcessingDelay ?? 0;
      found.plis = stats.pliCount ?? 0;
    }
  }
  return { ...found, codecs: codecs.filter(Boolean).join(" · ") };
}

// Everything that is sent; of several layers the largest one's picture, and the sum of the rest.
export function sent(report) {
  const found = { bytes: 0, encoded: 0, fps: 0, width: 0, height: 0, nacks: 0, plis: 0, resent: 0, layers: 0, limit: "none", codecs: "" };
  const codecs = new Set();
  for (const stats of report.values()) {
    if (stats.type !== "outbound-rtp") continue;
    found.bytes += stats.bytesSent;
    found.nacks += stats.nackCount ?? 0;
    found.resent += stats.retransmittedPacketsSent ?? 0;
    if (stats.packetsSent) codecs.add(codecOf(report, stats));
    if (stats.kind !== "video") continue;
    found.plis += stats.pliCount ?? 0;
    if (!stats.framesEncoded) continue;
    found.layers++;
    found.encoded = Math.max(found.encoded, stats.framesEncoded);
    if ((stats.frameWidth ?? 0) < found.width) continue;
    found.width = stats.frameWidth ?? 0;
    found.height = stats.frameHeight ?? 0;
    found.fps = stats.framesPerSecond ?? 0;
    found.limit = stats.qualityLimitationReason ?? "none";
  }
  return { ...found, codecs: [...codecs].filter(Boolean).join(" · "), roundTrip: roundTrip(report) };
}

// The growth of a counter per unit of another one (of time, by default), over the last two seconds or so.
export class Rate {
  #samples = [];

  // Note where both are; returns the rate, 0 until there are two samples. A counter that falls begins anew.
  sample(value, at = performance.now() / 1000) {
    const last = this.#samples.at(-1);
    if (last && (value < last.value || at < last.at)) this.#samples = [];
    this.#samples.push({ value, at });
    if (this.#samples.length > 5) this.#samples.shift();
    const first = this.#samples[0];
    return at > first.at ? (value - first.value) / (at - first.at) : 0;
  }
}
