"""Names of runs: such that every system takes them, and a folder for each."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from midigen.errors import CheckpointError


def plain_name(text: str) -> str:
    """Return text as a name that every system takes for a folder and every shell for one word."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "model"


def claim_run(checkpoints: Path, base: str) -> Path:
    """Make a folder for a new run: ``base``, or ``base-2`` and so on where there are such runs already.

    Raises:
        CheckpointError: the folder cannot be made.
    """
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    for name in names:
        # Made at once, so that two trainings that begin together do not share one.
        try:
            (checkpoints / name).mkdir(parents=True)
        except FileExistsError:
            if not checkpoints.is_dir():
                raise CheckpointError(f"{checkpoints} is not a folder.", checkpoints) from None
        except OSError as error:
            raise CheckpointError(f"{checkpoints} cannot be written: {error.strerror}.", checkpoints) from error
        else:
            return checkpoints / name
    raise AssertionError
