"""TLS for listeners: a server context from two files."""

import ssl
from collections.abc import Sequence
from pathlib import Path

from arcly_actors.errors import ConfigurationError


def server_context(certificate: Path, key: Path, *, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """TLS 1.2 or later, no compression, no renegotiation; ConfigurationError names the file at fault.

    `certificate` is a PEM chain, leaf first; `key` an unencrypted PEM key. RFC 9325 gives the choices.
    """
    for path in (certificate, key):
        if not path.is_file():
            raise ConfigurationError(f"there is no TLS file {path}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigurationError(f"cannot use the TLS certificate {certificate} with the key {key}: {error}") from error
    return context


def _no_password() -> str:
    # Without this OpenSSL asks on the terminal and the server hangs.
    raise ValueError("the key is encrypted; give it without a passphrase")
