// What a player must know of fragmented MP4 (ISO/IEC 14496-12): the codecs of an initialisation segment, as
// MediaSource wants them named (RFC 6381), and when a media segment begins.

function* boxes(view, start = 0, end = view.byteLength) {
  while (start + 8 <= end) {
    let size = view.getUint32(start);
    let header = 8;
    if (size === 1 && start + 16 <= end) {
      size = Number(view.getBigUint64(start + 8));
      header = 16;
    } else if (size === 0) size = end - start;
    if (size < header || start + size > end) return;
    const type = String.fromCharCode(...[4, 5, 6, 7].map((at) => view.getUint8(start + at)));
    yield { type, start: start + header, end: start + size };
    start += size;
  }
}

function find(view, path, within) {
  let box = within;
  for (const type of path) {
    box = [...boxes(view, box.start, box.end)].find((candidate) => candidate.type === type);
    if (!box) return null;
  }
  return box;
}

const all = (view, type, within) => [...boxes(view, within.start, within.end)].filter((box) => box.type === type);
const whole = (view) => ({ start: 0, end: view.byteLength });
const hex = (number, width = 2) => number.toString(16).padStart(width, "0");
const decimal = (number) => String(number).padStart(2, "0");

// hvc1.[space]profile.compatibility (bits reversed).tier+level.constraints (ISO/IEC 14496-15, annex E)
function hevc(view, { start }) {
  const general = view.getUint8(start + 1);
  let compatibility = 0;
  for (let bit = 0; bit < 32; bit++) if (view.getUint32(start + 2) & (1 << bit)) compatibility |= 1 << (31 - bit);
  const constraints = [0, 1, 2, 3, 4, 5].map((at) => view.getUint8(start + 6 + at));
  while (constraints.length && constraints.at(-1) === 0) constraints.pop();
  const space = ["", "A", "B", "C"][general >> 6];
  const tier = general & 0x20 ? "H" : "L";
  const level = view.getUint8(start + 12);
  const rest = constraints.map((byte) => "." + byte.toString(16).toUpperCase()).join("");
  return `.${space}${general & 31}.${(compatibility >>> 0).toString(16).toUpperCase()}.${tier}${level}${rest}`;
}

function av1(view, { start }) {
  const [profile, flags] = [view.getUint8(start + 1), view.getUint8(start + 2)];
  const depth = flags & 0x40 ? (flags & 0x20 ? 12 : 10) : 8;
  return `.${profile >> 5}.${decimal(profile & 31)}${flags & 0x80 ? "H" : "M"}.${decimal(depth)}`;
}

function vp9(view, { start }) {
  const [profile, level, depth] = [4, 5, 6].map((at) => view.getUint8(start + at));
  return `.${decimal(profile)}.${decimal(level)}.${decimal(depth >> 4)}`;
}

// The object type and, for MPEG-4 audio, the audio object type from the descriptors of an esds box (ISO/IEC 14496-1).
function aac(view, { start, end }) {
  let at = start + 4;
  let object = 0x40;
  while (at < end) {
    const tag = view.getUint8(at++);
    while (at < end && view.getUint8(at++) & 0x80);
    if (tag === 3) at += view.getUint8(at + 2) & 0x80 ? 5 : 3;
    else if (tag === 4) {
      object = view.getUint8(at);
      at += 13;
    } else if (tag === 5 && object === 0x40) return `.40.${view.getUint8(at) >> 3}`;
    else break;
  }
  return object === 0x40 ? ".40.2" : `.${hex(object)}`;
}

const avc = (view, { start }) => "." + [1, 2, 3].map((at) => hex(view.getUint8(start + at))).join("");
const plain = () => "";

// sample entry -> [how many bytes of it precede its boxes, the box with the configuration, its RFC 6381 rest, name]
const ENTRIES = {
  avc1: [78, "avcC", avc],
  avc3: [78, "avcC", avc],
  hvc1: [78, "hvcC", hevc],
  hev1: [78, "hvcC", hevc],
  av01: [78, "av1C", av1],
  vp09: [78, "vpcC", vp9],
  mp4a: [28, "esds", aac],
  Opus: [28, "dOps", plain, "opus"],
  fLaC: [28, "dfLa", plain, "flac"],
  "ac-3": [28, "dac3", plain],
  "ec-3": [28, "dec3", plain],
};

// {mime, kinds, timescales: Map of track number -> ticks per second}, kinds like "audio,video"; throws when there is
// nothing to play in it.
export function readInit(buffer) {
  const view = new DataView(buffer);
  const moov = find(view, ["moov"], whole(view));
  if (!moov) throw new Error("the initialisation segment has no moov box");
  const codecs = [];
  const kinds = [];
  const timescales = new Map();
  for (const trak of all(view, "trak", moov)) {
    const tkhd = find(view, ["tkhd"], trak);
    const mdhd = find(view, ["mdia", "mdhd"], trak);
    const stsd = find(view, ["mdia", "minf", "stbl", "stsd"], trak);
    if (!tkhd || !mdhd || !stsd) continue;
    const long = (box) => view.getUint8(box.start) === 1;
    timescales.set(view.getUint32(tkhd.start + (long(tkhd) ? 20 : 12)), view.getUint32(mdhd.start + (long(mdhd) ? 20 : 12)));
    const [entry] = boxes(view, stsd.start + 8, stsd.end);
    const [skip, configuration, rest, name] = ENTRIES[entry?.type] ?? [];
    const box = skip && find(view, [configuration], { start: entry.start + skip, end: entry.end });
    if (!box) throw new Error(`no way to play ${entry?.type ?? "an empty track"}`);
    codecs.push((name ?? entry.type) + rest(view, box));
    kinds.push(skip === 78 ? "video" : "audio");
  }
  if (!codecs.length) throw new Error("the initialisation segment has no tracks");
  const family = kinds.includes("video") ? "video" : "audio";
  return { mime: `${family}/mp4; codecs="${codecs.join(",")}"`, kinds: kinds.sort().join(","), timescales };
}

// The earliest decode time in a media segment, in seconds; NaN when it has none.
export function startOf(buffer, timescales) {
  const view = new DataView(buffer);
  const starts = [];
  for (const moof of all(view, "moof", whole(view))) {
    for (const traf of all(view, "traf", moof)) {
      const tfhd = find(view, ["tfhd"], traf);
      const tfdt = find(view, ["tfdt"], traf);
      const timescale = tfhd && timescales.get(view.getUint32(tfhd.start + 4));
      if (!tfdt || !timescale) continue;
      const long = view.getUint8(tfdt.start) === 1;
      starts.push((long ? Number(view.getBigUint64(tfdt.start + 4)) : view.getUint32(tfdt.start + 4)) / timescale);
    }
    if (starts.length) break;
  }
  return starts.length ? Math.min(...starts) : NaN;
}
