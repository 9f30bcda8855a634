"""midigen learns from music scores and composes new ones."""

__version__ = "0.1.0"
