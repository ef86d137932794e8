"""A certificate and its key, and the check that a listener will be able to use them."""

import ssl
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from arcly_actors.topology.reading import DIRECTORY
from arcly_actors.topology.section import Section
from arcly_actors.topology.values import fault


def _read_path(value: object) -> object:
    if isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    if isinstance(value, Path):
        return value
    raise fault("path", "has to be the name of a file")


PemFile = Annotated[Path, BeforeValidator(_read_path), WithJsonSchema({"type": "string", "minLength": 1})]
"""A PEM file; a relative name starts from the topology's directory."""


class Tls(Section):
    """A server's certificate and key. Loading a topology from a file resolves relative names and checks the pair."""

    certificate: PemFile = Field(description="PEM file: the server's certificate, followed by its intermediates")
    key: PemFile = Field(description="PEM file: the private key of the certificate, not encrypted")

    @model_validator(mode="after")
    def _check_files(self, info: ValidationInfo) -> Self:
        directory = (info.context or {}).get(DIRECTORY)
        if directory is None:
            return self
        resolved = self.model_copy(update={"certificate": directory / self.certificate, "key": directory / self.key})
        for name in ("certificate", "key"):
            if (problem := _unreadable(getattr(resolved, name))) is not None:
                raise fault("file", problem, at=name)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                resolved.certificate, resolved.key, password=_no_password
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise _unusable(error) from None
        return resolved


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return f"{path} cannot be read: {(error.strerror or str(error)).lower()}"


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # instead of OpenSSL asking at the terminal


def _unusable(error: Exception) -> Exception:
    reason = getattr(error, "reason", None) or str(error)
    if "MISMATCH" in reason:
        return fault("tls", "the key does not belong to the certificate", at="key")
    if "encrypted" in reason:
        return fault(
            "tls", "the key is encrypted", "store it without a pass phrase, readable by the server only", at="key"
        )
    return fault("tls", f"not a usable certificate and key: {reason.lower().replace('_', ' ')}", "both are PEM files")
