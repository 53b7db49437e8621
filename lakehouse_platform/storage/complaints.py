"""What an object store's client says of a failure, in words that name the place and the mend. Not here: what is refused before (options.py)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.settings import client_variables
from lakehouse_platform.storage.profile import ENDPOINTS
from lakehouse_platform.storage.stored import is_remote

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# The client's own structures and the frames of its Python face say nothing to a user; of the store's XML its message does.
_STRUCTURES = re.compile(r"\n\s*Debug source:.*", re.DOTALL)
_FRAMES = re.compile(r"Traceback \(most recent call last\):\n(?:[ ]{2}.*\n)+")
_XML = re.compile(r"<\?xml.*|<Error>.*", re.DOTALL)
_CODE = re.compile(r"<Code>(\w+)</Code>")
_SAID = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
_LONGEST = 500

_UNKNOWN_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "401 Unauthorized")
_FORBIDDEN = ("AccessDenied", "AllAccessDisabled", "AccountProblem", "403 Forbidden", "lacked the necessary privileges")
_ELSEWHERE = ("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint", "redirect without LOCATION")
_NOT_TAKEN = ("400 Bad Request", "405 Method Not Allowed", "501 Not Implemented")
_PASSING = ("RequestTimeout", "IncompleteBody")
_UNREACHED = ("client error (Connect)", "dns error", "tcp connect error", "kind: Connect")


def told(location: str, error: BaseException | str) -> LakehouseError:
    """The failure of a client's call at a location: a TransientFault where the same may work later, else what must be mended first."""
    text = _COLOUR.sub("", str(error))
    if not is_remote(location):
        return TransientFault(f"{location}: {text}")
    code = found[1] if (found := _CODE.search(text)) else ""
    place, short = urlsplit(location), _short(text)
    bucket, endpoint = f"{place.scheme}://{place.netloc}", _endpoint()
    if code in ("NoSuchBucket", "InvalidBucketName"):
        return LakehouseError(
            f"{location}: there is no bucket {place.netloc} at {endpoint}; make it, or correct LAKEHOUSE_TABLES (or LAKEHOUSE_TABLES_<LAYER>), "
            "or AWS_ENDPOINT_URL where it is on another server"
        )
    if _says(text, code, _ELSEWHERE):
        return LakehouseError(f"{location}: {bucket} is in another region than the client's; set AWS_REGION to the bucket's ({short})")
    if _says(text, code, _UNKNOWN_KEYS):
        mend = "correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (or AWS_PROFILE)"
        return LakehouseError(f"{location}: {endpoint} does not take these credentials; {mend} ({short})")
    if _says(text, code, _FORBIDDEN):
        mend = "give them the rights to list, read, write and delete there, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to others"
        return LakehouseError(f"{location}: {endpoint} refuses these credentials here; {mend} ({short})")
    if code == "RequestTimeTooSkewed":
        return LakehouseError(f"{location}: {endpoint} has another time than this machine; set the clocks by NTP ({short})")
    if code not in _PASSING and any(sign in text for sign in _NOT_TAKEN):
        return LakehouseError(f"{location}: {endpoint} takes no such request; compare the AWS_* variables with what it supports ({short})")
    if any(sign in text for sign in _UNREACHED):
        return TransientFault(f"{location}: {endpoint} cannot be reached; if it should be another server, set AWS_ENDPOINT_URL ({short})")
    return TransientFault(f"{location}: the object store did not answer as it should: {short}")


def is_of_client(text: str) -> bool:
    """Whether what DuckDB says is what the client of an object store said to it."""
    return "obstore/" in text or "Error performing " in text


def _says(text: str, code: str, signs: tuple[str, ...]) -> bool:
    return code in signs or (not code and any(sign in text for sign in signs))


def _short(text: str) -> str:
    said = f" {found[1]}" if (found := _SAID.search(text)) else ""
    plain = " ".join((_XML.sub("", _FRAMES.sub("", _STRUCTURES.sub("", text))) + said).replace("↳", " ").split())
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]} …"


def _endpoint() -> str:
    variables = client_variables()
    return next((variables[name] for name in ENDPOINTS if name in variables), "the object store")
