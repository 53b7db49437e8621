"""A pytest plugin that breaks the platform before tests are collected, and turns the outcome round: the run succeeds if every property notices.

`pytest -p lakehouse_platform_tests.properties.sabotage.plugin --sabotage NAME` runs the tests of the property that the patch of that name is for.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from lakehouse_platform_tests.properties.sabotage.patches import SABOTAGES

PROPERTIES = Path(__file__).parent.parent
NOT_NOTICED = 2
_verdicts: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sabotage", choices=sorted(SABOTAGES), help="The patch that breaks the platform")


def pytest_configure(config: pytest.Config) -> None:
    # One failing example is enough; the smallest is of no interest. Tests take their settings when they are collected.
    settings.register_profile("sabotage", phases=[Phase.generate], report_multiple_bugs=False)
    settings.load_profile("sabotage")
    SABOTAGES[config.getoption("sabotage")].apply(pytest.MonkeyPatch())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    number = SABOTAGES[config.getoption("sabotage")].number
    items[:] = [item for item in items if item.name.startswith(f"test_property_{number}_")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.when == "call":
        _verdicts[item.name] = _verdict(call)
    return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    has_noticed = bool(_verdicts) and all(verdict == "noticed" for verdict in _verdicts.values())
    session.exitstatus = 0 if has_noticed else NOT_NOTICED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, verdict in _verdicts.items():
        terminalreporter.write_line(f"{name}: {verdict}")


def _verdict(call: pytest.CallInfo[None]) -> str:
    """`noticed` where the test failed by an assertion of its own, and not because the broken platform fell over."""
    if call.excinfo is None:
        return "passed, and so did not notice"
    is_own = PROPERTIES in Path(call.excinfo.traceback[-1].path).parents
    if is_own and call.excinfo.errisinstance(AssertionError):
        return "noticed"
    return f"failed by something else than its own assertion: {call.excinfo.exconly(tryshort=True)[:500]}"
