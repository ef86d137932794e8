"""Files: the examples we ship, the exported schema, certificates, and files that cannot be read."""

import datetime as dt
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from arcly_actors.topology import Topology, TopologyError, json_schema

SPECS = Path(__file__).parents[2] / "specs"
WITH_TLS = "version: 1\nendpoints: {rtmps: {tls: {certificate: certificate.pem, key: key.pem}}}\n"


def write_pair(directory: Path, password: bytes | None = None) -> None:
    """A self-signed certificate and its key, as ``certificate.pem`` and ``key.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + dt.timedelta(days=36500))
    ).sign(key, hashes.SHA256())
    guard = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, guard)
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(private)


def load_faults(path: Path) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        Topology.load(path)
    return [str(fault).replace(str(path.parent), "DIR") for fault in caught.value.faults]


def test_live_and_minimal_say_the_same_as_no_file() -> None:
    assert Topology.load(SPECS / "topologies/live.yaml") == Topology()
    assert Topology.load(SPECS / "topologies/minimal.yaml") == Topology()


def test_every_example_loads(tmp_path: Path) -> None:
    write_pair(tmp_path)
    names = sorted(path.name for path in (SPECS / "topologies").glob("*.yaml"))
    assert {"live.yaml", "minimal.yaml", "rtmps.yaml"} <= set(names)
    for name in names:
        copy = tmp_path / name
        copy.write_text((SPECS / "topologies" / name).read_text())
        assert Topology.load(copy).version == 1


def test_the_exported_schema_is_current() -> None:
    exported = json.loads((SPECS / "topology.schema.json").read_text())
    assert exported == json_schema(), "run `make schema`"


def test_the_schema_documents_every_key() -> None:
    schema = json_schema()
    undocumented = [
        f"{title}.{key}"
        for title, part in {"Topology": schema, **schema["$defs"]}.items()
        for key, value in part["properties"].items()
        if not value.get("description")
    ]
    assert undocumented == []


def test_certificates_are_looked_up_beside_the_file(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "t.yaml").write_text(WITH_TLS)
    rtmps = Topology.load(tmp_path / "t.yaml").endpoints.rtmps
    assert rtmps is not None
    assert (rtmps.tls.certificate, rtmps.tls.key) == (tmp_path / "certificate.pem", tmp_path / "key.pem")


def test_a_missing_certificate_is_told_together_with_other_mistakes(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(WITH_TLS + "limit: {}\n")
    assert load_faults(tmp_path / "t.yaml") == [
        "DIR/t.yaml:2:40: endpoints.rtmps.tls.certificate: DIR/certificate.pem cannot be read: no such file or directory",
        "DIR/t.yaml:3:1: limit: unknown key (did you mean 'limits'?)",
    ]


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    write_pair(tmp_path)
    certificate = (tmp_path / "certificate.pem").read_bytes()
    write_pair(tmp_path)
    (tmp_path / "certificate.pem").write_bytes(certificate)
    (tmp_path / "t.yaml").write_text(WITH_TLS)
    assert load_faults(tmp_path / "t.yaml") == [
        "DIR/t.yaml:2:62: endpoints.rtmps.tls.key: the key does not belong to the certificate"
    ]


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_pass_phrase(tmp_path: Path) -> None:
    write_pair(tmp_path, password=b"guess")
    (tmp_path / "t.yaml").write_text(WITH_TLS)
    (fault,) = load_faults(tmp_path / "t.yaml")
    assert "endpoints.rtmps.tls.key: the key is encrypted" in fault


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "certificate.pem").write_text("hello")
    (tmp_path / "t.yaml").write_text(WITH_TLS)
    (fault,) = load_faults(tmp_path / "t.yaml")
    assert "not a usable certificate and key" in fault


def test_files_that_cannot_be_read_are_faults(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"version: 1\n# caf\xe9\n")
    assert load_faults(tmp_path / "none.yaml") == ["DIR/none.yaml: cannot be read: no such file or directory"]
    (fault,) = load_faults(tmp_path / "latin.yaml")
    assert fault == "DIR/latin.yaml:2:6: is not UTF-8 text (save the file as UTF-8)"
    with pytest.raises(TopologyError, match="cannot be read"):
        Topology.load(tmp_path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_bytes(b"\xef\xbb\xbfversion: 1\r\n")
    assert Topology.load(tmp_path / "t.yaml") == Topology()
