"""The `lakehouse` command: how it starts and how it ends. Not here: commands (one module a group), nor anything that they do themselves."""

from __future__ import annotations

import sys

from lakehouse_platform.cli.exits import ExitCode


def main() -> None:
    """Run the command line: a user's mistake or a failed run ends in a clear text and an exit code, never in a traceback."""
    from lakehouse_platform.cli.app import app
    from lakehouse_platform.problems import LakehouseError, ProjectError

    try:
        app()
    except ProjectError as error:
        _say(
            f"The project has {len(error.problems)} mistakes:" if len(error.problems) > 1 else "The project has a mistake:", *map(str, error.problems)
        )
        sys.exit(ExitCode.PROJECT)
    except LakehouseError as error:
        _say(f"Failed: {error}")
        sys.exit(ExitCode.FAILED)
    except BrokenPipeError:
        # The reader (`| head`) has what it wants; without this, Python complains once more while it shuts down.
        sys.stderr.close()
        sys.exit(ExitCode.OK)


def _say(*lines: str) -> None:
    sys.stderr.write("\n".join(lines) + "\n")
