"""Every LAKEHOUSE_* setting, typed, in one place; nothing else in the platform reads the environment."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_PREFIX = "LAKEHOUSE_"


class Settings(BaseSettings):
    """Settings from the environment (`LAKEHOUSE_HOME`, `LAKEHOUSE_MEMORY_LIMIT_BYTES`, …); the defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(default=Path(".lakehouse"), description="Where the data of this lakehouse lives")
    tables: str | None = Field(default=None, description="Root of the Delta tables; by default `<home>/tables`")
    project: Path | None = Field(default=None, description="Folder of the user's own project; by default the shipped products")
    memory_limit_bytes: int = Field(default=1_000_000_000, gt=0, description="Memory that DuckDB may use before it spills to disk")
    threads: int = Field(default=2, gt=0, description="Threads that one run of DuckDB may use")
    settle_seconds: float = Field(default=5.0, ge=0, description="How long a file must be unchanged before its unterminated last record counts")
    key_salt: str = Field(default="", repr=False, description="Secret in the surrogate keys of classified values; another one makes other keys")
    commit_tries: int = Field(default=10, gt=0, description="How often a commit that lost a race is derived anew and tried again")
    backfill_partitions: int | None = Field(
        default=None, gt=0, description="Partitions that a run of a backfill takes at most; without it, any number"
    )
    retry_seconds: float = Field(default=5.0, ge=0, description="Wait before a step that storage failed is tried again; grows with each try")

    @property
    def tables_root(self) -> str:
        """Root of all tables: `<root>/<layer>/<table>`."""
        return self.tables if self.tables is not None else str(self.home.absolute() / "tables")

    @property
    def remote_roots(self) -> tuple[str, ...]:
        """The roots that are in an object store."""
        return (self.tables_root,) if "://" in self.tables_root else ()

    @property
    def defs_root(self) -> Path:
        """Folder of the tables' folders: the project's `defs`, or the shipped products."""
        return (self.project.absolute() if self.project is not None else Path(__file__).parent) / "defs"

    @property
    def landing(self) -> Path:
        """Where files arrive: `<landing>/<domain>/…`."""
        return self.home.absolute() / "landing"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.home.absolute() / "dagster"

    @property
    def scratch(self) -> Path:
        """Where DuckDB spills; safe to delete when nothing runs."""
        return self.home.absolute() / "scratch"


def setting_names() -> list[str]:
    """The variables that are settings."""
    return [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]


def variables() -> list[str]:
    """The variables of the environment that look like settings, whether they are or not."""
    return [name for name in os.environ if name.startswith(_PREFIX)]
