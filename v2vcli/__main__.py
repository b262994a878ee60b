"""``v2v``, and ``python -m v2vcli``: the process begins here, and answers signals before the commands are imported."""

from __future__ import annotations

import sys
from typing import NoReturn

from v2vcli.cli.signals import Stopped, signals


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    try:
        signals.install()
        from v2vcli.cli.app import main as run

        run()
    except Stopped as stopped:
        sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
