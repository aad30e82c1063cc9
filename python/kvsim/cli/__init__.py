"""The command line: `kvsim`, or `python -m kvsim`.

Exit codes: 0 done, 1 what was asked for failed (does not fit, differs, over the deadline), 2 the
input is wrong, 130 Ctrl-C. Errors are one line on stderr.
"""

from kvsim.cli.main import main

__all__ = ["main"]
