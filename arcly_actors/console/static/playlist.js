// HLS playlists (RFC 8216), as far as a player of fragmented MP4 needs them.

const ATTRIBUTE = /([A-Z0-9-]+)=("[^"]*"|[^,]*)/g;

function attributes(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(ATTRIBUTE)) found[name] = value.replace(/^"|"$/g, "");
  return found;
}

// A master playlist gives {variants: [{uri, bandwidth}]}, best first. A media playlist gives {target, ended, segments:
// [{uri, duration, sequence, map, discontinuity}]}, durations in seconds. Addresses are absolute. Throws on anything else.
export function parsePlaylist(text, address) {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  if (lines[0] !== "#EXTM3U") throw new Error("the server's answer is not a playlist");
  const variants = [];
  const media = { target: 0, ended: false, segments: [] };
  let sequence = 0;
  let map = null;
  let discontinuity = false;
  let duration = 0;
  let variant = null;
  for (const line of lines.slice(1)) {
    const at = line.indexOf(":");
    const tag = line.startsWith("#EXT") && at > 0 ? line.slice(0, at) : line;
    const value = at > 0 ? line.slice(at + 1) : "";
    if (tag === "#EXT-X-STREAM-INF") variant = attributes(value);
    else if (tag === "#EXT-X-TARGETDURATION") media.target = Number(value);
    else if (tag === "#EXT-X-MEDIA-SEQUENCE") sequence = Number(value);
    else if (tag === "#EXT-X-MAP") map = new URL(attributes(value).URI, address).href;
    else if (tag === "#EXT-X-DISCONTINUITY") discontinuity = true;
    else if (tag === "#EXT-X-ENDLIST") media.ended = true;
    else if (tag === "#EXTINF") duration = parseFloat(value);
    else if (line && !line.startsWith("#")) {
      const uri = new URL(line, address).href;
      if (variant) variants.push({ uri, bandwidth: Number(variant.BANDWIDTH) || 0 });
      else media.segments.push({ uri, duration, sequence: sequence++, map, discontinuity });
      variant = null;
      discontinuity = false;
    }
  }
  if (variants.length) return { variants: variants.sort((a, b) => b.bandwidth - a.bandwidth) };
  return media;
}
