"""``htc doctor``: what HTC needs on this machine, in the order in which causes hide behind one another."""

from __future__ import annotations

from htc.service.doctor.sequence import Area, examine

__all__ = ["Area", "examine"]
