"""kvsim: a fast, exact simulator of LLM serving."""

from kvsim._native import __version__

__all__ = ["__version__"]
