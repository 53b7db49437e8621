"""Whether the machine fits: Python, packages, disk, memory, scratch folder, clock. Not here: Dagster's instance, and the data (data.py)."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from lakehouse_platform.findings import Finding, Status
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage.stored import is_remote

DISTRIBUTION = "lakehouse-platform"
_CHECKOUT = Path(__file__).parents[2]
_GIB = 1 << 30
_CLOCK_SECONDS = 2.0


def machine_findings(settings: Settings) -> Iterator[Finding]:
    """Every finding about the machine."""
    yield python_finding()
    yield from package_findings()
    yield from _disk(settings)
    yield _memory(settings)
    yield from _scratch(settings)


def python_finding(version: str | None = None) -> Finding:
    """Whether this Python is one that the platform runs on."""
    version = version or ".".join(map(str, sys.version_info[:3]))
    wanted = _requires_python()
    if wanted.contains(version, prereleases=True):
        return Finding("python", version, Status.OK, f"{sys.executable}, as required ({wanted})")
    return Finding("python", version, Status.FAILED, f"{sys.executable} is none of {wanted}", f"make the environment with a Python {wanted}")


def package_findings(lock: Path = _CHECKOUT / "requirements.lock") -> Iterator[Finding]:
    """A finding for each package that is missing or of a wrong version, or one that all are right; a lock is asked where there is one."""
    wrong: list[Finding] = []
    required = _requirements()
    for requirement in required:
        found = _installed(requirement.name)
        if found is None:
            mend = f"install {requirement}, or all by `make install`"
            wrong.append(Finding("package", requirement.name, Status.FAILED, f"is not installed; {requirement} is required", mend))
        elif not requirement.specifier.contains(found, prereleases=True):
            mend = f"install {requirement}, or all by `make install`"
            wrong.append(Finding("package", requirement.name, Status.FAILED, f"is {found}; {requirement} is required", mend))
    failed = {finding.subject for finding in wrong}
    for requirement in _locked(lock):
        found = _installed(requirement.name)
        if requirement.name not in failed and found is not None and not requirement.specifier.contains(found, prereleases=True):
            message = f"is {found}; the tests run with the lock's {requirement.specifier}"
            wrong.append(Finding("package", requirement.name, Status.WARNING, message, "install the locked versions: `make install`"))
    yield from wrong
    if not wrong:
        yield Finding("package", "all", Status.OK, f"{len(required)} required packages are there" + (", as locked" if lock.exists() else ""))


def platform_version() -> str:
    """The version of this platform, as installed, or of the checkout that it runs from."""
    return _installed(DISTRIBUTION) or str(_pyproject()["version"])


def _requires_python() -> SpecifierSet:
    try:
        return SpecifierSet(metadata.metadata(DISTRIBUTION)["Requires-Python"] or "")
    except metadata.PackageNotFoundError:
        return SpecifierSet(str(_pyproject()["requires-python"]))


def _requirements() -> list[Requirement]:
    """What the platform itself needs, without extras; of a checkout that is not installed, from its pyproject.toml."""
    try:
        texts = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        texts = _pyproject()["dependencies"]
    return [requirement for text in texts if (requirement := Requirement(text)) and (requirement.marker is None or requirement.marker.evaluate())]


def _pyproject() -> dict[str, list[str]]:
    project: dict[str, list[str]] = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _locked(lock: Path) -> list[Requirement]:
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.exists() else []
    pins = [Requirement(line) for line in lines if line.strip() and not line.lstrip().startswith(("#", "-"))]
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _disk(settings: Settings) -> Iterator[Finding]:
    folders = {"home": settings.home.absolute(), "scratch": settings.scratch}
    folders |= {f"tables {root}": Path(root).absolute() for root in settings.table_roots if not is_remote(root)}
    devices: set[int] = set()
    for name, folder in folders.items():
        standing = next(path for path in (folder, *folder.parents) if path.exists())
        device = standing.stat().st_dev
        if device in devices:
            continue
        devices.add(device)
        usage = shutil.disk_usage(standing)
        message = f"{usage.free / _GIB:.1f} GiB of {usage.total / _GIB:.0f} GiB are free at {standing}"
        # A step writes its new files before the old ones may go, and DuckDB spills several times its memory.
        if usage.free < _GIB:
            yield Finding("disk", name, Status.FAILED, message, "free some space; `scratch` may be emptied when nothing runs")
        elif usage.free < 4 * settings.memory_limit_bytes + _GIB:
            yield Finding("disk", name, Status.WARNING, message, "a large step may spill more than that: free some space")
        else:
            yield Finding("disk", name, Status.OK, message)


def _memory(settings: Settings) -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    message = f"DuckDB may use {settings.memory_limit_bytes / _GIB:.1f} GiB of {total / _GIB:.1f} GiB"
    if settings.memory_limit_bytes > 0.8 * total:
        return Finding(
            "memory",
            "limit",
            Status.WARNING,
            message,
            "set LAKEHOUSE_MEMORY_LIMIT_BYTES to less; beyond it DuckDB spills, beyond memory it is killed",
        )
    return Finding("memory", "limit", Status.OK, message)


def _scratch(settings: Settings) -> Iterator[Finding]:
    """Whether it can be written, and whether the file system's clock is ours: a file from the future would never count as settled."""
    try:
        settings.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=settings.scratch) as file:
            file.write(b"lakehouse")
            file.flush()
            ahead = Path(file.name).stat().st_mtime - time.time()
    except OSError as error:
        yield Finding("scratch", str(settings.scratch), Status.FAILED, f"cannot be written: {error.strerror}", "make it writable for this user")
        return
    yield Finding("scratch", str(settings.scratch), Status.OK, "can be written")
    if abs(ahead) > _CLOCK_SECONDS:
        message = f"the file system's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        yield Finding("clock", "files", Status.WARNING, message, "set both by NTP: files count as settled by their time")
    else:
        yield Finding("clock", "files", Status.OK, f"files have this machine's time, {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC")
