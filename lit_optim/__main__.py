"""``python -m lit_optim``: the same as the command ``lit-optim``."""

from lit_optim.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
