"""The instance that `lakehouse` makes and the one that a checkout's dagster.yaml describes are set alike."""

from __future__ import annotations

from pathlib import Path

import yaml

from lakehouse_platform.orchestration.instance import INSTANCE_CONFIG, open_instance
from lakehouse_platform.settings import Settings

_ROOT = Path(__file__).parents[2]
# A checkout says where runs are kept; the home that `lakehouse` makes is that place itself.
_PLACES = {"storage", "local_artifact_storage", "compute_logs"}


def test_the_checkouts_instance_is_set_like_the_command_lines() -> None:
    shipped = yaml.safe_load((_ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert {key: value for key, value in shipped.items() if key not in _PLACES} == INSTANCE_CONFIG


def test_a_home_is_made_once_and_then_belongs_to_its_owner(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_instance(settings) as instance:
        assert instance.root_directory == str(settings.dagster_home)
        assert instance.global_op_concurrency_default_limit == 1
        assert not instance.telemetry_enabled
    (settings.dagster_home / "dagster.yaml").write_text("telemetry: {enabled: true}\n", encoding="utf-8")
    with open_instance(settings) as instance:
        assert instance.telemetry_enabled
