// Cameras, microphones and screens: what there is, and a MediaStream of it.

const WORDS = {
  NotAllowedError: "The browser was not allowed to use it: look for the camera sign beside the address.",
  NotFoundError: "There is no such device.",
  NotReadableError: "It is in use by another program, or the system forbids it.",
  OverconstrainedError: "It cannot do this resolution.",
  AbortError: "It could not be started.",
};

// It could not be captured; the text says why, for people.
export class CaptureFailed extends Error {}

const devices = () => {
  if (navigator.mediaDevices) return navigator.mediaDevices;
  throw new CaptureFailed("Browsers give the camera and the microphone to pages on HTTPS or localhost only.");
};

// [id, name] of the devices of a kind, "videoinput" or "audioinput". They have names once one of them has been used.
export async function list(kind) {
  const all = navigator.mediaDevices ? await navigator.mediaDevices.enumerateDevices() : [];
  const word = kind === "videoinput" ? "Camera" : "Microphone";
  return all.filter((device) => device.kind === kind && device.deviceId).map(({ deviceId, label }, at) => [deviceId, label || `${word} ${at + 1}`]);
}

// `source` is "camera" or "screen"; `camera` and `microphone` are device ids, "" for any, "none" for no sound. Throws `CaptureFailed`.
export async function capture({ source, camera, microphone, height, fps }) {
  const size = { height: { ideal: height }, width: { ideal: Math.round((height * 16) / 9) }, frameRate: { ideal: fps } };
  try {
    const picture =
      source === "screen"
        ? await devices().getDisplayMedia({ video: size, audio: false })
        : await devices().getUserMedia({ video: { ...size, ...(camera && { deviceId: { exact: camera } }) } });
    const [track] = picture.getVideoTracks();
    track.contentHint = source === "screen" ? "detail" : "motion";
    if (microphone !== "none") await addSound(picture, microphone);
    return picture;
  } catch (error) {
    if (error instanceof CaptureFailed) throw error;
    throw new CaptureFailed(`The ${source} cannot be used. ${WORDS[error.name] ?? error.message}`);
  }
}

async function addSound(stream, microphone) {
  try {
    const sound = await devices().getUserMedia({ audio: microphone ? { deviceId: { exact: microphone } } : true });
    stream.addTrack(sound.getAudioTracks()[0]);
  } catch (error) {
    release(stream);
    throw new CaptureFailed(`The microphone cannot be used. ${WORDS[error.name] ?? error.message}`);
  }
}

export const release = (stream) => stream?.getTracks().forEach((track) => track.stop());
