// What a browser can encode, and how it is to be done.

const NAMES = { H264: "H.264", H265: "H.265" };
const REPAIR = /\/(rtx|red|ulpfec|flexfec-03)$/i;
const LAYERS = [
  { rid: "q", scaleResolutionDownBy: 4, share: 0.07 },
  { rid: "h", scaleResolutionDownBy: 2, share: 0.25 },
  { rid: "f", scaleResolutionDownBy: 1, share: 0.68 },
];

const capabilities = () => window.RTCRtpSender?.getCapabilities?.("video")?.codecs ?? [];

// The codecs for pictures as [MIME type, name], in the browser's order, H.264 first: everything can play it.
export function codecs() {
  const types = new Set(capabilities().map(({ mimeType }) => mimeType));
  return [...types]
    .filter((type) => !REPAIR.test(type))
    .map((type) => [type, NAMES[type.split("/")[1]] ?? type.split("/")[1]])
    .sort(([a], [b]) => /h264/i.test(b) - /h264/i.test(a));
}

// For setCodecPreferences: every profile of one codec, and what repairs its losses.
export const preferred = (type) => capabilities().filter(({ mimeType }) => mimeType === type || /\/rtx$/i.test(mimeType));

// For addTransceiver: one encoding, or three layers that share the bit rate.
export function encodings({ codec, kbps, simulcast }) {
  if (!simulcast) return [{ maxBitrate: kbps * 1000 }];
  const mode = /\/(vp9|av1)$/i.test(codec) ? { scalabilityMode: "L1T1" } : {}; // or VP9 would make spatial layers of it
  return LAYERS.map(({ rid, scaleResolutionDownBy, share }) => ({
    rid,
    scaleResolutionDownBy,
    maxBitrate: Math.round(kbps * 1000 * share),
    ...mode,
  }));
}
