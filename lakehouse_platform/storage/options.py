"""How a client reaches an object store: region, endpoint, credentials, retries. Not here: asking it (objects.py), what it answers (complaints.py).

delta-rs and obstore are given the same options, so that both are always the same somebody. What AWS_*, AZURE_* and GOOGLE_* variables say they read
themselves; here is added what only one of them would find (a profile's keys), and refused what would fail late, slowly or in silence.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit

from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings, client_variables
from lakehouse_platform.storage.given import given_options
from lakehouse_platform.storage.profile import ENDPOINTS, REGIONS, profile_options
from lakehouse_platform.storage.stored import SCHEMES, is_remote

_OF_STORES = ("aws_", "azure_", "google_")
_AMAZON = ("s3", "s3a")
# Whoever has one of these has credentials that the client fetches and renews by itself.
_RENEWED = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_MACHINE_ROLE = ("169.254.169.254", 80)
_MACHINE_ROLE_SECONDS = 1.0


def client_options(location: str) -> dict[str, str] | None:
    """The options of a client, beyond the variables that it reads itself; None for a path of this machine.

    Raises LakehouseError, which names the location and the variable to set, where no client could reach it.
    """
    if not is_remote(location):
        return None
    scheme = urlsplit(location).scheme
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise LakehouseError(f"{location}: there is no object store {scheme}://; write one of {known}, or a path")
    found = {"max_retries": str(Settings().store_retries), **given_options(location)}
    return found | _of_amazon(location) if scheme in _AMAZON else found


def retries(options: Mapping[str, str]) -> int:
    """How often a request that failed is sent again."""
    return int(options["max_retries"])


def of_store(options: Mapping[str, str]) -> dict[str, str]:
    """The options that say who and where."""
    return {name: value for name, value in options.items() if name.startswith(_OF_STORES)}


def of_requests(options: Mapping[str, str]) -> dict[str, str]:
    """The options that say how requests are sent, but for how often."""
    return {name: value for name, value in options.items() if name != "max_retries" and not name.startswith(_OF_STORES)}


def _of_amazon(location: str) -> dict[str, str]:
    # What code gave is as a variable that says it, for this bucket alone.
    variables = client_variables() | {
        name.upper() if name != "allow_http" else "AWS_ALLOW_HTTP": text for name, text in given_options(location).items()
    }
    found = profile_options(location, variables, with_keys=not _has_credentials(variables))
    endpoint = next((variables[name] for name in ENDPOINTS if name in variables), found.get("aws_endpoint_url"))
    if endpoint is None and not any(name in variables for name in REGIONS) and "aws_region" not in found:
        raise LakehouseError(f"{location}: no region is known; set AWS_REGION (such as eu-central-1), or AWS_ENDPOINT_URL for a server of your own")
    if endpoint is not None and endpoint.startswith("http://") and variables.get("AWS_ALLOW_HTTP", "").lower() != "true":
        raise LakehouseError(f"{location}: {endpoint} is not encrypted; set AWS_ALLOW_HTTP=true where that is meant, or give an https:// endpoint")
    if variables.get("AWS_CONDITIONAL_PUT", "etag").lower() == "disabled":
        raise LakehouseError(f"{location}: AWS_CONDITIONAL_PUT=disabled would let writers overwrite each other's commits; unset it")
    if not _has_credentials(variables) and "aws_access_key_id" not in found:
        _find_machine_role(location, variables)
    return found


def _has_credentials(variables: Mapping[str, str]) -> bool:
    is_keyed = "AWS_ACCESS_KEY_ID" in variables and "AWS_SECRET_ACCESS_KEY" in variables
    return is_keyed or variables.get("AWS_SKIP_SIGNATURE", "").lower() == "true" or any(name in variables for name in _RENEWED)


def _find_machine_role(location: str, variables: Mapping[str, str]) -> None:
    """Refuse where nobody would answer: a client asks the machine's role server again and again, for a minute."""
    if "AWS_METADATA_ENDPOINT" in variables:
        return
    is_off = variables.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    if is_off or not _answers():
        raise LakehouseError(
            f"{location}: there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if there is one), "
            "or AWS_PROFILE to a profile with keys"
        )


def _answers() -> bool:
    try:
        _knock()
    except OSError:
        return False
    return True


@cache
def _knock() -> None:
    """Once it has answered, it will again; when it did not, it is asked anew."""
    socket.create_connection(_MACHINE_ROLE, timeout=_MACHINE_ROLE_SECONDS).close()
