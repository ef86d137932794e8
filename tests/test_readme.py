"""What the documents say is so: examples are excerpts of what runs, and what they name exists."""

import re
import textwrap
from pathlib import Path

import pytest

from arcly_actors.cli.app import app
from arcly_actors.egress import flv
from arcly_actors.egress.hls_policy import Container
from arcly_actors.media.codec import CodecId
from arcly_actors.media.flv_audio import LEGACY
from arcly_actors.media.frame import Track
from arcly_actors.media.mpegts import kinds as mpegts
from arcly_actors.protocols.rtp.payload.formats import FORMATS
from arcly_actors.protocols.webrtc.formats import CODECS as WEBRTC
from arcly_actors.renditions import RenditionPolicy, Wish
from arcly_actors.renditions.wishes import plan

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TESTING = (ROOT / "specs/scripts/TESTING.md").read_text(encoding="utf-8")
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
SPECIFICATIONS = tuple(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("specs/protocols/*.md")))
PLACEHOLDERS = re.compile(r"NAME|CODEC|<")
CODECS = {
    "H.264": CodecId.H264,
    "H.265": CodecId.H265,
    "AV1": CodecId.AV1,
    "VP8": CodecId.VP8,
    "VP9": CodecId.VP9,
    "AAC": CodecId.AAC,
    "MP3": CodecId.MP3,
    "AC-3": CodecId.AC3,
    "E-AC-3": CodecId.EAC3,
    "Opus": CodecId.OPUS,
    "FLAC": CodecId.FLAC,
    "G.711 A-law": CodecId.PCMA,
    "G.711 µ-law": CodecId.PCMU,
    "G.722": CodecId.G722,
}
ENHANCED = flv.CARRIED - LEGACY.keys() - {CodecId.H264}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def is_excerpt(block: str, whole: str) -> bool:
    """Whether these very lines follow each other in `whole`, at any one indentation."""
    return any(f"\n{textwrap.indent(block, ' ' * depth)}" in f"\n{whole}" for depth in range(0, 17, 4))


@pytest.mark.parametrize("block", blocks("python"))
def test_python_in_the_readme_is_from_an_example_that_is_tested(block: str) -> None:
    sources = [path for path in (ROOT / "examples").glob("*.py") if is_excerpt(block, path.read_text(encoding="utf-8"))]
    imported = re.findall(r"^from examples import (.*)$", text_of("tests/test_examples.py"), re.MULTILINE)
    assert len(sources) == 1, block
    assert sources[0].stem in imported[0].split(", ")


@pytest.mark.parametrize("block", blocks("python", TESTING))
def test_python_about_testing_is_from_a_test_that_runs(block: str) -> None:
    assert is_excerpt(block, text_of("examples/test_my_topology.py")), block


@pytest.mark.parametrize("block", blocks("json", TESTING))
def test_scripts_about_testing_are_from_a_script_that_is_a_test(block: str) -> None:
    scripts = (ROOT / "specs/scripts").glob("*.jsonl")
    assert any(is_excerpt(block, path.read_text(encoding="utf-8")) for path in scripts), block


def test_the_suite_has_the_scripts_and_the_examples_that_are_tests() -> None:
    assert "tests specs/scripts examples\n" in text_of(".ci/tests")
    assert 'testpaths = ["tests", "specs/scripts", "examples"]' in text_of("pyproject.toml")


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_in_the_readme_is_from_a_topology_that_is_tested(block: str) -> None:
    files = (ROOT / "specs/topologies").glob("*.yaml")  # each is loaded by tests/topology/test_files.py
    assert any(is_excerpt(block, path.read_text(encoding="utf-8")) for path in files), block


def test_every_example_is_run() -> None:
    imported = re.findall(r"^from examples import (.*)$", text_of("tests/test_examples.py"), re.MULTILINE)
    programs = {path.stem for path in (ROOT / "examples").glob("*.py") if not path.stem.startswith("test_")}
    assert programs == set(imported[0].split(", "))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_exist(name: str) -> None:
    code = "\n".join(spans(name))
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", code)) <= targets
    commands = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    assert set(re.findall(r"\barcly ([a-z]+)", code)) <= commands


def spans(name: str) -> list[str]:
    """Everything a document shows as code but Python and YAML."""
    text = re.sub(r"^```(?:python|yaml)\n.*?^```$", "", text_of(name), flags=re.DOTALL | re.MULTILINE)
    fenced = re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return fenced + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))


def test_the_commands_are_seen() -> None:
    code = "\n".join(spans("README.md"))
    assert {"demo", "test", "bench"} <= set(re.findall(r"\bmake ([a-z]+)", code))
    assert {"run", "check", "schema"} <= set(re.findall(r"\barcly ([a-z]+)", code))


@pytest.mark.parametrize("name", [*DOCUMENTS, *SPECIFICATIONS])
def test_files_exist(name: str) -> None:
    """Whatever is written as a path, from the root or from within the package, is one."""
    paths = [span for span in spans(name) if re.fullmatch(r"\.?[\w*-]+(/[\w.*-]+)*(\.(py|md|yaml|toml|json|sh)|/)", span)]
    named = [path for path in paths if not PLACEHOLDERS.search(path)]
    missing = [path for path in named if not any(any(at.glob(path)) for at in (ROOT, ROOT / "arcly_actors"))]
    assert missing == []


def defined() -> set[str]:
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path.name != "test_readme.py"]
    functions = (re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")) for path in files)
    return {path.stem for path in files}.union(*functions)


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_a_specification_names_tests_that_exist(name: str) -> None:
    """A name may be cut with an ellipsis, and its ``test_`` left out when the module stands before it."""
    tests = defined()
    text = text_of(name)
    whole = re.findall(r"\b(test_\w+)(?![\w…])", text)
    cut = re.findall(r"(\w+_\w+)…", text)
    assert whole
    assert [test for test in whole if test not in tests] == []
    starts = [start if start.startswith("test_") else f"test_{start}" for start in cut]
    assert [start for start in starts if not any(test.startswith(start) for test in tests)] == []


def test_the_table_of_codecs_is_the_codes() -> None:
    """A cell says ``as X`` where renditions make X of the codec for the outputs of that column."""
    rows = re.findall(r"^\| ([^|]+)" + r" \| (yes|no|enhanced|as \w+)" * 9 + r" \|$", README, re.MULTILINE)
    assert {row[0] for row in rows} == set(CODECS)
    assert set(CODECS.values()) >= flv.CARRIED | Container.FMP4.codecs | Container.MPEGTS.codecs | set(WEBRTC) | set(
        FORMATS
    )
    for title, *cells in rows:
        codec = CODECS[title]
        form = "no" if codec not in flv.CARRIED else "enhanced" if codec in ENHANCED else "yes"
        columns = (
            (None, form),
            (Wish.FLV, form),
            (Wish.HLS, "yes" if codec in Container.FMP4.codecs else "no"),
            (Wish.HLS, "yes" if codec in Container.MPEGTS.codecs else "no"),
            (None, "yes" if codec in WEBRTC else "no"),
            (Wish.WEBRTC, "yes" if codec in WEBRTC else "no"),
            (None, "yes" if codec in FORMATS else "no"),
            (None, "yes" if codec in mpegts.CARRIED else "no"),
            (Wish.TS, "yes" if codec in mpegts.CARRIED else "no"),
        )
        assert (title, cells) == (title, [becomes(codec, wish) or plain for wish, plain in columns])


def becomes(codec: CodecId, wish: Wish | None) -> str | None:
    """What renditions make of a codec."""
    if wish is None:
        return None
    made = plan((Track(1, codec, sample_rate=48_000, channels=2),), wish, RenditionPolicy())
    names = {value: name for name, value in CODECS.items()}
    return next((f"as {names[track.codec]}" for track in made.values()), None)
