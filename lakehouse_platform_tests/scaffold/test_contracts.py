"""A proposed contract, and those of a made project, are documents that the standard's own tools accept."""

from __future__ import annotations

from pathlib import Path

from datacontract.data_contract import DataContract

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.scaffold.new_project import new_project
from lakehouse_platform.scaffold.new_table import propose, write
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project

ROWS = "".join(f"{n},1/{1 + n % 28}/2024,{('a: b', 'yes', '#x')[n % 3]},{n}.5\n" for n in range(60))


def test_the_standards_linter_accepts_what_is_written(tmp_path: Path) -> None:
    new_project(tmp_path / "own")
    (tmp_path / "odd.csv").write_text(f"id,Day of it,order,share\n{ROWS}", encoding="utf-8")
    settings = Settings(home=tmp_path / "home", project=tmp_path / "own")
    for table, origin in (("silver/odd", str(tmp_path / "odd.csv")), ("gold/odd_days", "silver/odd")):
        lakehouse = Lakehouse(settings, load_project(settings.defs_root))
        write(propose(lakehouse, table, origin))
    project = load_project(settings.defs_root)
    assert project.tables["silver/odd"].contract.warning_rules[0].constraints[0].operands == ("#x", "a: b", "yes")
    assert project.tables["gold/odd_days"].contract.key == ("day_of_it", "order")
    paths = sorted(settings.defs_root.rglob("contract.yaml"))
    assert len(paths) == 4
    for path in paths:
        run = DataContract(data_contract_file=str(path)).lint()
        assert run.result == "passed", [check.reason for check in run.checks or ()]
