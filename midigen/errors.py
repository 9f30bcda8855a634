"""Everything midigen raises on purpose.

    MidigenError
    ├── UsageError           a combination of options that makes no sense (exit code 2)
    ├── SourceError          a file, folder, archive or corpus that cannot be read
    ├── RepresentationError  a piece that a representation cannot hold
    ├── CheckpointError      a run folder that is missing, damaged or of another kind
    ├── TrainingError        training that cannot start or go on
    ├── SamplingError        a wish the sampler cannot grant
    └── RenderingError       sound or a picture that cannot be made

A message is one plain sentence that says what is wrong and what to do. The command line prints it and ends with exit
code 1 (2 for UsageError).
"""

from __future__ import annotations

from pathlib import Path


class MidigenError(Exception):
    """The common root.

    Args:
        message: one sentence for the user, the file's name included where there is one.
        file: the file it is about, for ``--json``.
    """

    def __init__(self, message: str, file: str | Path | None = None) -> None:
        super().__init__(message)
        self.file = None if file is None else str(file)


class UsageError(MidigenError):
    """Options that contradict each other or hold a value out of range."""


class SourceError(MidigenError):
    """A file, folder, archive or corpus cannot be read."""


class RepresentationError(MidigenError):
    """A piece does not fit a representation, or a representation's description is wrong."""


class CheckpointError(MidigenError):
    """A run folder or one of its files is missing, damaged or not what it says."""


class TrainingError(MidigenError):
    """Training cannot start or go on."""


class SamplingError(MidigenError):
    """Sampling settings are out of range or cannot be met."""


class RenderingError(MidigenError):
    """Audio or a picture cannot be made or played."""
