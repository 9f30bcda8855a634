"""``python -m midigen`` is the same as ``midigen``."""

from midigen.cli.app import main

if __name__ == "__main__":
    main()
