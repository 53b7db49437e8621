"""How a table's files are to be: compression and properties, as a defs.yaml says them. Not here: packing and clean-up (policy.py)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from lakehouse_platform.delta.properties import property_mistake

# What every reader of Delta tables reads.
Compression = Literal["zstd", "snappy", "gzip", "uncompressed"]
COMPRESSION = "How the table's files are compressed from now on; packing small files compresses them so too"


def _as_texts(value: Any) -> Any:
    """YAML reads numbers and truth values; a table keeps texts."""
    return {name: _as_text(each) for name, each in value.items()} if isinstance(value, dict) else value


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _kept(properties: dict[str, str]) -> dict[str, str]:
    mistakes = [mistake for name, value in properties.items() if (mistake := property_mistake(name, value)) is not None]
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return properties


Properties = Annotated[dict[str, str], BeforeValidator(_as_texts), AfterValidator(_kept)]
PROPERTIES = "Properties of the Delta table, such as delta.logRetentionDuration, or of your own; one that is taken out here stays with the table"
