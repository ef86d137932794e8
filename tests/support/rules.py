"""The house rules, each a pure function from a file's path (relative, with slashes) and text to what breaks it.

A rule says itself which files it is about, so that the test runs every rule over every file.
"""

import ast
import functools
import re
from collections.abc import Callable, Iterator

Rule = Callable[[str, str], list[str]]

PACKAGE = "arcly_actors"
MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 64

# DESIGN §3: who may import whom. Every package may import the leaves, and itself.
LEAVES = {"errors", "clock", "limits", "version"}
_KERNEL = {"media", "protocols", "transport", "runtime", "bus"}
_RENDERED = _KERNEL | {"renditions"}
_STREAMING = _RENDERED | {"ingest", "egress", "endpoints"}
_ENGINE = _STREAMING | {"topology", "script", "engine"}
MAY_IMPORT: dict[str, set[str]] = {
    **{leaf: set() for leaf in LEAVES},
    "media": set(),
    "protocols": {"media"},
    "runtime": set(),
    "transport": {"runtime"},
    "bus": {"media", "runtime"},
    "renditions": {"media", "runtime", "bus"},
    "ingest": _KERNEL,
    "egress": _RENDERED,
    "endpoints": _RENDERED | {"ingest", "egress"},
    "topology": _STREAMING,
    "script": _ENGINE | {"stream"},
    "console": _RENDERED,
    "stream": _STREAMING,
    "loop": set(),
    "engine": _ENGINE | {"console", "stream", "loop", "threaded"},
    "pulled": set(),
    "threaded": _ENGINE | {"stream", "loop", "pulled"},
    "cli": _ENGINE | {"console", "stream", "loop", "threaded"},
    "__main__": {"cli"},
    "__init__": _ENGINE | {"stream", "threaded"},
}
# The one exception: the contract between engines and the connection that drives them (DESIGN §4) is the engines' own.
CONTRACT = ("transport", ["protocols", "outputs"])
IMPURE = {
    "asyncio", "socket", "ssl", "threading", "queue", "time", "random", "os", "secrets", "pykka", "reactivex",
}  # fmt: skip
CLOCKS = {"time", "random", "secrets"}
CLOCK_CALLS = {
    "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
}  # fmt: skip
EMPTY_NAMES = {"Manager", "Handler", "Helper", "Util", "Base", "Common"}
SIDE_DOORS = re.compile(  # places on somebody's machine, and where packages come from
    r"(?<![\w.$}])/(?:work|root|home|Users|tmp/venv)/|[A-Z]:\\Users|pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)"
    r"|--(?:extra-)?index-url|proxy\.golang\.org|artifactory",
)


@functools.lru_cache(maxsize=1024)
def parsed(text: str) -> ast.Module:
    """The syntax tree of a module's text."""
    return ast.parse(text)


def is_package(path: str) -> bool:
    """Whether `path` is a module of the package."""
    return path.startswith(f"{PACKAGE}/") and path.endswith(".py")


def is_test(path: str) -> bool:
    """Whether `path` is a module of the tests."""
    return path.startswith("tests/") and path.endswith(".py")


def imports_follow_the_table(path: str, text: str) -> list[str]:
    """A package imports only what the design lets it, and a protocol no other protocol than rtp."""
    if not is_package(path):
        return []
    own = _parts(path)
    allowed = MAY_IMPORT.get(own[0])
    if allowed is None:
        return [f"{path}: {own[0]} is not in the import table"]
    broken = []
    for line, module in _imports(path, text):
        target = module.split(".")
        if target[0] != PACKAGE or len(target) < 2:
            continue
        if (own[0], target[1:3]) == CONTRACT:
            continue
        if target[1] not in allowed | LEAVES | {own[0]}:
            broken.append(f"{path}:{line}: {own[0]} may not import {target[1]}")
        elif own[0] == target[1] == "protocols" and not _same_protocol(own, target[1:]):
            broken.append(f"{path}:{line}: one protocol may not import another ({target[2]})")
    return broken


def _same_protocol(own: list[str], target: list[str]) -> bool:
    """Folders in ``protocols/`` are protocols, modules directly in it are everybody's; `target` ends in a name."""
    of = target[1] if len(target) > 1 else ""
    return len(own) < 3 or of in {own[1], "rtp", "outputs", ""}


def wire_formats_are_pure(path: str, text: str) -> list[str]:
    """media/ and protocols/ take time, entropy and ciphers as arguments."""
    if not is_package(path) or _parts(path)[0] not in {"media", "protocols"}:
        return []
    return [
        f"{path}:{line}: {module} is not for media/ and protocols/"
        for line, module in _imports(path, text)
        if module.split(".")[0] in IMPURE
    ]


def modules_are_small(path: str, text: str) -> list[str]:
    """A module has at most 500 lines."""
    lines = len(text.splitlines())
    return [f"{path}: {lines} lines"] if path.endswith(".py") and lines > MAX_MODULE_LINES else []


def functions_are_small(path: str, text: str) -> list[str]:
    """A function has at most 64 lines."""
    return [
        f"{path}:{function.lineno}: {function.name} has {length} lines"
        for function in _functions(path, text)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
    ]


def tests_do_not_sleep(path: str, text: str) -> list[str]:
    """A test awaits a condition or moves a virtual clock; only ``sleep(0)``, a turn of the loop, is allowed.

    What records sessions of real programs is no test, and their pauses are what it is to record.
    """
    if not is_test(path) or path.startswith("tests/support/record_"):
        return []
    return [
        f"{path}:{call.lineno}: a sleep"
        for call in _calls(text)
        if _dotted(call.func).rpartition(".")[2] == "sleep" and not _is_zero(call)
    ]


def only_the_clock_reads_time_and_randomness(path: str, text: str) -> list[str]:
    """Everything outside clock.py takes a Clock and an Entropy; the loop's own time is the runtime's."""
    if not is_package(path) or path == f"{PACKAGE}/clock.py":
        return []
    broken = [
        f"{path}:{line}: imports {module}" for line, module in _imports(path, text) if module.split(".")[0] in CLOCKS
    ]
    for line, module in _imports(path, text):
        if module in CLOCK_CALLS:
            broken.append(f"{path}:{line}: imports {module}")
    for call in _calls(text):
        name = _dotted(call.func)
        if ".".join(name.split(".")[-2:]) in CLOCK_CALLS or re.fullmatch(r"(dt|datetime)\.now", name):
            broken.append(f"{path}:{call.lineno}: {name}()")
        of, _, method = name.rpartition(".")
        if method == "time" and of.rpartition(".")[2].strip("_()").endswith("loop") and _parts(path)[0] != "runtime":
            broken.append(f"{path}:{call.lineno}: {name}()")
    return broken


def names_say_something(path: str, text: str) -> list[str]:
    """No class or module is called Manager, Handler, Helper, Util, Base or Common, alone or as a part."""
    if not path.endswith(".py"):
        return []
    stem = path.rpartition("/")[2].removesuffix(".py")
    named = [(1, stem)] + [(node.lineno, node.name) for node in ast.walk(parsed(text)) if isinstance(node, ast.ClassDef)]
    return [f"{path}:{line}: the name {name}" for line, name in named if _words(name) & EMPTY_NAMES]


def tests_assert_something(path: str, text: str) -> list[str]:
    """A test has an assert on something that is not constant, a ``pytest.raises``, or calls assert_… or check_…."""
    if not is_test(path) or not path.rpartition("/")[2].startswith("test_"):
        return []
    return [
        f"{path}:{function.lineno}: {function.name} asserts nothing"
        for function in _functions(path, text)
        if function.name.startswith("test") and not any(map(_asserts, ast.walk(function)))
    ]


def nothing_names_a_machine(path: str, text: str) -> list[str]:
    """No file names a place on somebody's machine, or where packages are downloaded from."""
    return [
        f"{path}:{number}: {match[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for match in SIDE_DOORS.finditer(line)
    ]


def public_things_are_documented(path: str, text: str) -> list[str]:
    """Every public module, class, function and method of the package has a docstring."""
    if not is_package(path):
        return []
    tree = parsed(text)
    broken = [] if ast.get_docstring(tree) else [f"{path}: the module has no docstring"]
    return broken + [
        f"{path}:{node.lineno}: {node.name} has no docstring" for node in _public(tree) if not ast.get_docstring(node)
    ]


def links(text: str) -> list[str]:
    """The files that a Markdown text links to, as written, without what is elsewhere or within the text itself."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(<?([^)\s>]+)", prose) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", prose, re.MULTILINE)
    local = (target.partition("#")[0] for target in targets if not re.match(r"[a-z][a-z0-9+.-]*:", target))
    return [target for target in local if target]


RULES: tuple[Rule, ...] = (
    imports_follow_the_table,
    wire_formats_are_pure,
    modules_are_small,
    functions_are_small,
    tests_do_not_sleep,
    only_the_clock_reads_time_and_randomness,
    names_say_something,
    tests_assert_something,
    nothing_names_a_machine,
    public_things_are_documented,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _parts(path: str) -> list[str]:
    return path.removeprefix(f"{PACKAGE}/").removesuffix(".py").split("/")


def _imports(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Every import, wherever it stands, as (line, absolute dotted name); names after ``from`` count as modules."""
    here = path.removesuffix(".py").split("/")
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = [*here[: -node.level], *([node.module] if node.module else [])] if node.level else [node.module or ""]
            yield from ((node.lineno, ".".join([*start, name.name])) for name in node.names)


def _functions(path: str, text: str) -> Iterator[Function]:
    if path.endswith(".py"):
        yield from (node for node in ast.walk(parsed(text)) if isinstance(node, Function))


def _calls(text: str) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(parsed(text)) if isinstance(node, ast.Call))


def _dotted(node: ast.expr) -> str:
    """``a.b.c`` as it is written; a call in between is its name and ``()``."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return f"{_dotted(node.func)}()"
    return node.id if isinstance(node, ast.Name) else ""


def _is_zero(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def _words(name: str) -> set[str]:
    """The words of a CamelCase or snake_case name, capitalised, in the singular."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {word.capitalize().removesuffix("s") for word in words}


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    if not isinstance(node, ast.Call):
        return False
    name = _dotted(node.func)
    return name in {"pytest.raises", "pytest.warns"} or name.rpartition(".")[2].startswith(("assert_", "check_"))


def _public(tree: ast.Module) -> Iterator[ast.ClassDef | Function]:
    """Public classes and functions of a module, and the public methods of public classes; overloads excepted."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If | ast.Try):
            waiting.extend([*node.body, *node.orelse])
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        if not any(_dotted(decorator).rpartition(".")[2] == "overload" for decorator in node.decorator_list):
            yield node
        if isinstance(node, ast.ClassDef):
            waiting.extend(node.body)
