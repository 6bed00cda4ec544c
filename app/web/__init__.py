"""The web page: server-made shells, numbers and charts; the scripts use the public API alone."""

from app.web.pages import mount

__all__ = ["mount"]
