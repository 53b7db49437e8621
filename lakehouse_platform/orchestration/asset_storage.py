"""dagster-deltalake's storage configuration in the words of the storage clients. Not here: what the clients do with it (storage/options.py)."""

from __future__ import annotations

from dagster_deltalake.config import AzureConfig, ClientConfig, GcsConfig, LocalConfig, S3Config

from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage.given import give
from lakehouse_platform.storage.stored import is_remote

Storage = S3Config | AzureConfig | GcsConfig | LocalConfig

_PREFIX = {"s3": "aws_", "azure": "azure_", "gcs": "google_"}
# Where the clients call it otherwise than the configuration does.
_CALLED = {
    "aws_endpoint": "aws_endpoint_url",
    "aws_token": "aws_session_token",
    "aws_checksum": "aws_checksum_algorithm",
    "azure_account_name": "azure_storage_account_name",
    "azure_account_key": "azure_storage_account_key",
    "azure_sas_key": "azure_storage_sas_key",
    "azure_token": "azure_storage_token",
}
_IN_SECONDS = ("connect_timeout", "http2_keep_alive_interval", "http2_keep_alive_timeout", "pool_idle_timeout")


def reach_storage(location: str, storage: Storage, client: ClientConfig | None) -> None:
    """Let this process reach a table's bucket as the configuration says; what that leaves open, the clients' own variables say."""
    if not is_remote(location):
        return
    options = _options(location, storage)
    if client is not None:
        options |= {name: f"{value}s" if name in _IN_SECONDS else value for name, value in _said(client).items()}
    if options:
        give(location, options)


def _options(location: str, storage: Storage) -> dict[str, str]:
    if isinstance(storage, LocalConfig):
        return {}
    said = _said(storage)
    if said.pop("allow_unsafe_rename", "false") == "true":
        raise LakehouseError(f"{location}: allow_unsafe_rename would let writers overwrite each other's commits; leave it out")
    # Off is what it is when nobody says so.
    if said.get("imdsv1_fallback") == "false":
        del said["imdsv1_fallback"]
    prefixed = {f"{_PREFIX[storage.provider]}{name}": value for name, value in said.items()}
    return {_CALLED.get(name, name): value for name, value in prefixed.items()}


def _said(config: S3Config | AzureConfig | GcsConfig | ClientConfig) -> dict[str, str]:
    """What a configuration says, as text: booleans as the clients spell them."""
    values = {name: value for name, value in config.dict().items() if value is not None and name != "provider"}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
