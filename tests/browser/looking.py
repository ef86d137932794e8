"""What is on the screen, and what the player says of it."""

from collections.abc import Sequence
from typing import Any

from tests.support.browser import Tab

Colour = tuple[int, int, int]

DECODED = "window.arclyPlayer?.stats.decoded > 30"
PIXELS = """(places) => {
    const video = document.getElementById("video");
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0);
    const pixel = ([x, y]) => context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data;
    return places.map((place) => [...pixel(place)].slice(0, 3));
}"""


async def pixels(tab: Tab, *places: tuple[float, float]) -> list[list[int]]:
    """The colours at places of the picture, each given from its left and top as fractions of its size."""
    found: list[list[int]] = await tab.evaluate(PIXELS, places)
    return found


def close_to(colour: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether it is that colour, whatever an encoder did to it."""
    return all(abs(a - b) < 50 for a, b in zip(colour, wanted, strict=True))


async def figures(tab: Tab) -> dict[str, Any]:
    """The player's figures as of now."""
    found: dict[str, Any] = await tab.evaluate("() => window.arclyPlayer.stats")
    return found


async def until_goes_on(tab: Tab, pictures: int = 20) -> None:
    """Return when so many further pictures have been decoded, and it plays."""
    decoded = (await figures(tab))["decoded"]
    await tab.until(f"window.arclyPlayer.stats.decoded > {decoded + pictures} && window.arclyPlayer.state === 'playing'")


SMOOTH = """async (pictures) => {
    for (let from = window.arclyPlayer.stats; ; await new Promise((wake) => setTimeout(wake, 100))) {
        const { decoded, freezes, packetsLost } = window.arclyPlayer.stats;
        if (freezes !== from.freezes || packetsLost !== from.packetsLost) from = window.arclyPlayer.stats;
        if (decoded >= from.decoded + pictures) return true;
    }
}"""


async def until_smooth(tab: Tab, pictures: int = 60) -> None:
    """Return when so many pictures in a row came without a freeze and without a loss.

    Not all of them from the first on: who makes the pictures, sends and shows them shares a busy machine with others.
    """
    assert await tab.evaluate(SMOOTH, pictures, 20)
