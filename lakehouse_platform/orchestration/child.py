"""`python -m lakehouse_platform.orchestration.child PARENT MODULE …`: a module as a process that ends with its parent. Not here: which modules."""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        # SIGTERM when the parent is gone, also after kill -9. Set here and not between fork and exec, where other threads' locks stay closed.
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    parent, sys.argv = int(sys.argv[1]), sys.argv[2:]
    if os.getppid() != parent:
        # It was gone before the line above could ask.
        sys.exit(1)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
