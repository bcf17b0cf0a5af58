"""Whether the service of this container is ready: `python -m kit.system.health`. Standard library only.

Exit code 0: it is ready. 1: it is not, and the reason is printed.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.error
import urllib.request

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_SECONDS = 4.0
_READY = 200


def url() -> str:
    """Return the address of the readiness route, from DOMAINKIT_HOST, DOMAINKIT_PORT and DOMAINKIT_TLS_CERTIFICATE."""
    scheme = "https" if os.environ.get("DOMAINKIT_TLS_CERTIFICATE") else "http"
    host = os.environ.get("DOMAINKIT_HOST", "127.0.0.1")
    host = _ANY.get(host, host)
    port = os.environ.get("DOMAINKIT_PORT", "8000")
    return f"{scheme}://[{host}]:{port}/readyz" if ":" in host else f"{scheme}://{host}:{port}/readyz"


def problem(address: str) -> str | None:
    """Return why the service at this address is not ready; None if it is."""
    any_certificate = ssl.create_default_context()  # this container's own, which names the service and not loopback
    any_certificate.check_hostname, any_certificate.verify_mode = False, ssl.CERT_NONE
    tls = urllib.request.HTTPSHandler(context=any_certificate)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
    try:
        with direct.open(address, timeout=_SECONDS) as answer:
            return None if answer.status == _READY else f"{address} answered {answer.status}."
    except urllib.error.HTTPError as error:
        return _reason(error.read(), error.code)
    except OSError as error:
        return f"There is no answer from {address}: {error}."


def _reason(body: bytes, status: int) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The service answered {status}."


def main() -> None:
    """Exit with 0 if the service is ready, else with 1 after the reason."""
    if reason := problem(url()):
        print(reason, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
