"""The topology: what the engine serves, where, and how it recovers. One model is the file, the Python DSL and the schema.

```python
Topology(applications={"live": Application(hold=duration("30s"))})
Topology.load("specs/topologies/live.yaml")
```
Without a file there is one application, ``live``; an application that is not named is refused.
"""

from collections.abc import Mapping
from io import StringIO
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from ruamel.yaml import YAML

from arcly_actors import limits as bounds
from arcly_actors.bus.policy import ApplicationPolicy
from arcly_actors.topology import reading
from arcly_actors.topology.application import Application, ApplicationName
from arcly_actors.topology.endpoints import Endpoints
from arcly_actors.topology.explain import nearest
from arcly_actors.topology.injection import Fault
from arcly_actors.topology.recordings import Recording
from arcly_actors.topology.section import Section
from arcly_actors.topology.sinks import Sink
from arcly_actors.topology.sources import Source
from arcly_actors.topology.values import Bytes, DurationNs, Within, duration, duration_text, fault, size


class Backoff(Section):
    """How long to wait before a restart: doubled each time from `first` up to `max`, and scattered by `jitter`."""

    first: Annotated[DurationNs, Within("1ms", "10m")] = Field(
        default=duration("200ms"), description="before the first restart"
    )
    max: Annotated[DurationNs, Within("1ms", "1h")] = Field(default=duration("30s"), description="never longer than this")
    jitter: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.2, description="share of the wait by which it varies either way, 0 to 1"
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.first > self.max:
            raise fault("order", f"less than 'first' ({duration_text(self.first)})", "make it at least as long", at="max")
        return self


class Supervision(Section):
    """How failed actors are restarted (the semantics are those of OTP's supervisors)."""

    strategy: Literal["one_for_one", "one_for_all", "rest_for_one"] = Field(
        default="one_for_one", description="restart the failed child; or all; or it and those started after it"
    )
    max_restarts: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=5, description="restarts within `period` before giving up"
    )
    period: Annotated[DurationNs, Within("100ms", "24h")] = Field(
        default=duration("10s"), description="window that restarts are counted in"
    )
    backoff: Backoff = Field(default=Backoff(), description="wait before a restart")


class Limits(Section):
    """Bounds that protect the engine; what exceeds one is refused with the status that its client understands."""

    max_publishers: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1000, description="live streams at once, all applications"
    )
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=10_000, description="open connections, all endpoints"
    )
    max_connections_per_address: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="open connections from one IP address; none: as many as max_connections"
    )
    max_frame: Annotated[Bytes, Within("64KiB", "256MiB")] = Field(
        default=size("8MiB"), description="largest coded frame"
    )
    handshake_timeout: Annotated[DurationNs, Within("100ms", "5m")] = Field(
        default=duration("5s"), description="from the connection to a complete handshake or request head"
    )


def _whole(version: object) -> object:
    if isinstance(version, bool | float):  # true and 1.0 equal 1, and are not
        raise fault("version", f"not 1 but {repr(version).lower()}")
    return version


def _require_version(schema: dict[str, Any]) -> None:
    schema["required"] = ["version"]  # in Python it has a default; a file says which version it is written for


class Topology(Section):
    """Everything the engine is told."""

    model_config = ConfigDict(title="arcly_actors topology", json_schema_extra=_require_version)

    version: Annotated[Literal[1], BeforeValidator(_whole)] = Field(
        default=1, description="version of this format; required in a file"
    )
    applications: Annotated[Mapping[ApplicationName, Application], Field(min_length=1, max_length=1000)] = Field(
        default_factory=lambda: {"live": Application()},
        description="by name, the first part of a stream's address; any other name is refused",
    )
    endpoints: Endpoints = Field(default=Endpoints(), description="where the engine listens")
    sources: Annotated[tuple[Source, ...], Field(strict=False, max_length=bounds.SOURCES)] = Field(
        default=(), description="streams that are brought in from elsewhere"
    )
    sinks: Annotated[tuple[Sink, ...], Field(strict=False, max_length=bounds.SOURCES)] = Field(
        default=(), description="streams that are pushed to servers elsewhere"
    )
    record: Annotated[tuple[Recording, ...], Field(strict=False, max_length=bounds.RECORDINGS)] = Field(
        default=(), description="tapes that the engine makes by itself, to be replayed as scripts"
    )
    faults: Annotated[tuple[Fault, ...], Field(strict=False, max_length=bounds.FAULTS)] = Field(
        default=(),
        description="what goes wrong on purpose, to try how everything else takes it; never on a server in use",
    )
    supervision: Supervision = Field(default=Supervision(), description="how failed actors are restarted")
    limits: Limits = Field(default=Limits(), description="bounds that protect the engine")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """The topology in the YAML file at `path`; the files that it names are checked.

        Raises TopologyError with all faults.
        """
        file = Path(path)
        return reading.read(cls, reading.read_file(file), str(file), file.parent)

    @classmethod
    def parse(cls, text: str, *, source: str = "<topology>", directory: Path | None = None) -> Self:
        """The topology in YAML `text`; `source` names it in faults. Raises TopologyError with all faults.

        Certificate files are resolved and checked only when a `directory` is given.
        """
        return reading.read(cls, text, source, directory)

    @model_validator(mode="after")
    def _check_remotes(self) -> Self:
        known: dict[tuple[str, str], str] = {}
        every = [("sources", at, each.key, "") for at, each in enumerate(self.sources)]
        every += [("sinks", at, each.key, each.url) for at, each in enumerate(self.sinks)]
        every += [("endpoints.mpegts", at, each.key, each.listen) for at, each in enumerate(self.endpoints.mpegts)]
        for section, at, key, url in every:
            application = key.rpartition("/")[0]
            if application not in self.applications:
                hint = nearest(application, self.applications)
                raise fault("application", f"there is no application {application!r}", hint, at=f"{section}.{at}.key")
            if (key, url) in known:
                what = _TWICE[section].format(key=key)
                raise fault("twice", f"{what}: {known[key, url]}", "keep one", at=f"{section}.{at}.key")
            known[key, url] = f"{section}[{at}]"
        return self

    @model_validator(mode="after")
    def _check_recordings(self) -> Self:
        for at, each in enumerate(self.record):
            if not any(each.may_take(application) for application in self.applications):
                hint = nearest(each.key.rpartition("/")[0], self.applications)
                raise fault("application", f"no application has streams {each.key!r}", hint, at=f"record.{at}.key")
        return self

    def policies(self) -> dict[str, ApplicationPolicy]:
        """Each application's policy by name, as the bus takes them."""
        packaged = self.endpoints.http.enabled
        return {name: application.policy(packaged=packaged) for name, application in self.applications.items()}

    def to_yaml(self) -> str:
        """This topology as a file: every value, with units. `parse` reads it back as an equal topology."""
        out = StringIO()
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel infers None from its default
        yaml.dump(self.model_dump(mode="json"), out)
        return out.getvalue()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a topology file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Topology.model_json_schema()}


_TWICE: Final = {
    "sources": "{key} has a source already",
    "sinks": "is pushed there already",
    "endpoints.mpegts": "is published from there already",
}
