"""The pages people see: templates, the files they load, and what is shown of the store."""

from htc.service.pages.assets import assets
from htc.service.pages.render import PageRoute, page, templates

__all__ = ["PageRoute", "assets", "page", "templates"]
