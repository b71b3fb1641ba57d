"""``python -m bluebatch`` is ``bluebatch``."""

from bluebatch.cli import main

if __name__ == "__main__":
    main.main(prog_name="bluebatch")
