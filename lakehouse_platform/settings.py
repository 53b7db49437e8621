"""Every LAKEHOUSE_* setting, typed, in one place; nothing else in the platform reads the environment."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_PREFIX = "LAKEHOUSE_"
_CLIENT_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_")


class Settings(BaseSettings):
    """Settings from the environment (`LAKEHOUSE_HOME`, `LAKEHOUSE_MEMORY_LIMIT_BYTES`, …); the defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(default=Path(".lakehouse"), description="Where the data of this lakehouse lives")
    tables: str | None = Field(default=None, description="Root of the Delta tables, a path or s3://…; by default `<home>/tables`")
    tables_bronze: str | None = Field(default=None, description="Root of the bronze tables, where they lie apart: `<root>/bronze/<table>`")
    tables_silver: str | None = Field(default=None, description="Root of the silver tables, where they lie apart: `<root>/silver/<table>`")
    tables_gold: str | None = Field(default=None, description="Root of the gold tables, where they lie apart: `<root>/gold/<table>`")
    project: Path | None = Field(default=None, description="Folder of the user's own project; by default the shipped products")
    memory_limit_bytes: int = Field(default=1_000_000_000, gt=0, description="Memory that DuckDB may use before it spills to disk")
    threads: int = Field(default=2, gt=0, description="Threads that one run of DuckDB may use")
    settle_seconds: float = Field(default=5.0, ge=0, description="How long a file must be unchanged before its unterminated last record counts")
    key_salt: str = Field(default="", repr=False, description="Secret in the surrogate keys of classified values; another one makes other keys")
    commit_tries: int = Field(default=10, gt=0, description="How often a commit that lost a race is derived anew and tried again")
    backfill_partitions: int | None = Field(
        default=None, gt=0, description="Partitions that a run of a backfill takes at most; without it, any number"
    )
    store_retries: int = Field(default=10, ge=0, description="How often a request that an object store failed is sent again, after growing waits")
    retry_seconds: float = Field(default=5.0, ge=0, description="Wait before a step that storage failed is tried again; grows with each try")

    @field_validator("tables", "tables_bronze", "tables_silver", "tables_gold")
    @classmethod
    def _plain_root(cls, root: str | None) -> str | None:
        """Without the slash at its end, and without file://, which would be taken for an object store."""
        if root is None:
            return None
        return root.removeprefix("file://").rstrip("/") or "/"

    @property
    def tables_root(self) -> str:
        """Root of the tables whose layer has none of its own: `<root>/<layer>/<table>`."""
        return self.tables if self.tables is not None else str(self.home.absolute() / "tables")

    def root_of(self, table: str) -> str:
        """Root of a table `<layer>/<name>`; the platform's own (`system/…`) are under the one of all."""
        apart = {"bronze": self.tables_bronze, "silver": self.tables_silver, "gold": self.tables_gold}
        return apart.get(table.partition("/")[0]) or self.tables_root

    @property
    def table_roots(self) -> tuple[str, ...]:
        """Every root that tables may be under, the one of all first."""
        return tuple(dict.fromkeys((self.tables_root, *(self.root_of(layer) for layer in ("bronze", "silver", "gold")))))

    @property
    def remote_roots(self) -> tuple[str, ...]:
        """The roots that are in an object store."""
        return tuple(root for root in self.table_roots if "://" in root)

    def alone_at(self, home: Path) -> Settings:
        """These settings for a lakehouse that is all below one folder, wherever the tables of this one lie."""
        roots = dict.fromkeys(name for name in type(self).model_fields if name.startswith("tables"))
        return self.model_copy(update={"home": home, **roots})

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


def client_variables() -> dict[str, str]:
    """The variables by which the clients of object stores know where and who; those that are empty are left out."""
    return {name: value for name, value in os.environ.items() if name.startswith(_CLIENT_PREFIXES) and value}


def given_variables(settings: Settings) -> dict[str, str]:
    """The settings that are paths, as variables of another process: absolute, wherever that one is started."""
    names = ("home", "project", "tables", "tables_bronze", "tables_silver", "tables_gold")
    paths = {name: str(path) for name in names if (path := getattr(settings, name)) is not None}
    return {f"{_PREFIX}{name.upper()}": path if "://" in path else str(Path(path).absolute()) for name, path in paths.items()}
