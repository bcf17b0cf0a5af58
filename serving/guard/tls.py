"""The files of TLS: a certificate and its private key."""

from __future__ import annotations

import ssl
from pathlib import Path

from kit.errors import InputError
from serving.settings import Settings


def tls_files(settings: Settings) -> tuple[Path | None, Path | None]:
    """Return the files of the certificate and of its key, after a look at them; None and None without TLS.

    Raises InputError if only one is given, or if they cannot be used together.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return None, None
    if certificate is None or key is None:
        missing = "tls_certificate" if certificate is None else "tls_key"
        raise InputError("TLS needs a certificate and its private key.", missing, "Give both files.")
    for name, file in (("tls_certificate", certificate), ("tls_key", key)):
        if not file.is_file():
            raise InputError("There is no such file.", f"{name}: {file}", "Give a PEM file.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or "unknown"
        what = f"The certificate and the private key cannot be used together ({reason})."
        advice = "Give the PEM files that belong together; a key with a password is not read."
        raise InputError(what, f"{certificate}, {key}", advice) from None
    return certificate, key
