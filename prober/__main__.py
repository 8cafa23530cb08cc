"""`python -m prober` is `prober`."""

from prober.cli import main

raise SystemExit(main())
