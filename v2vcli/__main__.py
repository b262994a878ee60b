"""``python -m v2vcli``: the same as ``v2v``."""

from v2vcli.cli.app import main

if __name__ == "__main__":
    main()
