"""The command that says what is wrong with a lakehouse and its machine, and what mends it. Not here: the checks (lakehouse_platform/doctor)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.cli.output import Format, FormatOption, show, show_lines, working
from lakehouse_platform.cli.server import port_refusal

if TYPE_CHECKING:
    from lakehouse_platform.findings import Finding


def doctor(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port that `lakehouse up` is to use")] = 3000,
    output: FormatOption = Format.TABLE,
) -> None:
    """Check Python, packages, disk, Dagster's instance, the project, every table and what has landed; exit code 3 when something does not work."""
    with working("Looking at everything"):
        findings = list(_findings(port))
    if output is Format.JSON:
        columns = ("check", "subject", "status", "message", "mend")
        show(columns, [(each.check, each.subject, each.status, each.message, each.mend) for each in findings], output)
    else:
        for each in findings:
            show_lines(f"{each.status:<8} {each.check:<9}", f"{each.subject}: {each.message}", f"Mend: {each.mend}" if each.mend else "")
        counted = Counter(each.status for each in findings)
        show_lines("", ", ".join(f"{count} {status}" for status, count in sorted(counted.items())))
    if any(each.status == "failed" for each in findings):
        raise typer.Exit(ExitCode.CHECKS)


def _findings(port: int) -> Iterator[Finding]:
    from pydantic import ValidationError

    from lakehouse_platform.doctor.data import landing_findings, project_findings, setting_findings, table_findings
    from lakehouse_platform.doctor.machine import machine_findings
    from lakehouse_platform.doctor.standing import standing_findings
    from lakehouse_platform.doctor.stores import store_findings
    from lakehouse_platform.findings import Finding, Status
    from lakehouse_platform.medallion.decisions import DECISIONS
    from lakehouse_platform.orchestration.diagnosis import instance_findings
    from lakehouse_platform.settings import Settings, setting_names

    yield from setting_findings()
    try:
        settings = Settings()
    except ValidationError as error:
        for mistake in error.errors():
            name = f"LAKEHOUSE_{str(mistake['loc'][0]).upper()}"
            yield Finding("settings", name, Status.FAILED, mistake["msg"], f"correct it or unset it; settings are {', '.join(setting_names())}")
        return
    yield from machine_findings(settings)
    refusal = port_refusal("127.0.0.1", port)
    if refusal is None:
        yield Finding("port", str(port), Status.OK, "is free")
    else:
        yield Finding("port", str(port), Status.WARNING, refusal, "if that is no `lakehouse up` of yours, start it with another --port")
    yield from instance_findings(settings)
    project, found = project_findings(settings)
    yield from found
    stores = list(store_findings(settings))
    yield from stores
    unreachable = [each.subject for each in stores if each.status is Status.FAILED]
    tables = list(table_findings(settings, unreachable))
    yield from tables
    if project is not None:
        broken = [each.subject for each in tables if each.status is Status.FAILED]
        broken += [name for name in (DECISIONS, *project.tables) if settings.root_of(name) in unreachable]
        yield from standing_findings(settings, project, broken)
        yield from landing_findings(settings, project)
