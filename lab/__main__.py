"""Entry point of the `lab` command, also as `python -m lab`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Run the command. Exits with 3, never with Python's 1, if it cannot even be loaded."""
    try:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # closed, for example by 2>&-
                setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # open until the end
        from lab import cli
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException as why:  # noqa: BLE001  # whatever it is, it is no verdict
        with suppress(OSError, AttributeError):
            text = f"the lab cannot run here: {type(why).__name__}: {why}"
            print(text, "install it with what it depends on, or use scripts/lab", sep="\n", file=sys.stderr, flush=True)
        os._exit(3)
    cli.main()


if __name__ == "__main__":
    main()
