"""``python -m htc`` is the command ``htc``."""

from __future__ import annotations

from htc.cli import main

main()
