"""What the AWS files of this user (`~/.aws/config`, `~/.aws/credentials`) say of a profile. Not here: when they count (options.py)."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser, Error
from pathlib import Path

from lakehouse_platform.problems import LakehouseError

ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
# By the client's option: the name in the file, and the variables that count before it.
_PLACE = {"aws_region": ("region", REGIONS), "aws_endpoint_url": ("endpoint_url", ENDPOINTS)}
_KEYS = {name: name for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")}
# Credentials that must be fetched, by programs and from servers that only Amazon's own tools know.
_FETCHED = ("role_arn", "sso_session", "sso_start_url", "credential_process", "login_session")


def profile_options(location: str, variables: Mapping[str, str], *, with_keys: bool) -> dict[str, str]:
    """Region and endpoint, and keys where they are wanted, of the profile that AWS_PROFILE names, or of the default one; nothing where there is none.

    Raises LakehouseError for a profile that is not there, or whose keys must be fetched first.
    """
    named = variables.get("AWS_PROFILE")
    profile = named or "default"
    config = _section(Path(variables.get("AWS_CONFIG_FILE", "~/.aws/config")), profile if profile == "default" else f"profile {profile}", location)
    credentials = _section(Path(variables.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")), profile, location)
    if named is not None and config is None and credentials is None:
        raise LakehouseError(f"{location}: AWS_PROFILE names {named}, which neither ~/.aws/config nor ~/.aws/credentials has; correct or unset it")
    said = {**(config or {}), **(credentials or {})}
    if with_keys and "aws_access_key_id" not in said and (fetched := next((name for name in _FETCHED if name in said), None)):
        mend = f'eval "$(aws configure export-credentials --profile {profile} --format env)"'
        raise LakehouseError(f"{location}: the credentials of profile {profile} must be fetched ({fetched}): run `{mend}` first")
    # A variable says it louder than a file.
    place = {option: name for option, (name, louder) in _PLACE.items() if not any(each in variables for each in louder)}
    wanted = {**place, **(_KEYS if with_keys else {})}
    return {option: said[name] for option, name in wanted.items() if name in said}


def _section(path: Path, name: str, location: str) -> dict[str, str] | None:
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path.expanduser(), encoding="utf-8")
    except (Error, UnicodeDecodeError) as error:
        raise LakehouseError(f"{location}: {path} cannot be read: {error}; correct it, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
    return dict(parser[name]) if name in parser else None
