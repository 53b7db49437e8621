"""`python -m lakehouse_platform.cli` is `lakehouse`."""

from __future__ import annotations

from lakehouse_platform.cli import main

main()
