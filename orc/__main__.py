"""``python -m orc``: the same as the command ``orc``."""

from orc.cli.main import main

raise SystemExit(main())
