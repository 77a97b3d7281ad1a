"""The HTTP service: thin routers over the predictor and the store."""

from __future__ import annotations

from htc.service.app import create_app

__all__ = ["create_app"]
