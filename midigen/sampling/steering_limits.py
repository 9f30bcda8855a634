"""What steering cannot do: wishes for which a representation has no means, each with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midigen.errors import UsageError
from midigen.representations.chords import Chords
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import DRUMS, Notes
from midigen.representations.representation import Representation

OF_PITCH = ("--key", "--scale", "--range", "--chords", "--end")
LEAST_BARS = 2
"""The last one begins with the close."""


def require_possible(
    representation: Representation, wishes: Sequence[str], length: int | None, bars: int | None
) -> None:
    """Check that there are means for all wishes.

    Args:
        representation: of the model.
        wishes: names of the options that are given.
        length: of the pieces in rows, where the user names it.
        bars: of the pieces, where the user names them.

    Raises:
        UsageError: there is none for one of them; the message says why.
    """
    for wish, reason in _reasons(representation, length, bars):
        if wish in wishes:
            raise UsageError(f"{wish} is not possible here: {reason}.")


def _reasons(representation: Representation, length: int | None, bars: int | None) -> Iterator[tuple[str, str]]:
    """Yield every option that cannot be obeyed, and why."""
    if isinstance(representation, Notes) and set(representation.programs) == {DRUMS}:
        for wish in OF_PITCH:
            yield wish, "the model plays drums alone"
    is_timed = isinstance(representation, (Chords, Notes, MidiTokTokens))
    if is_timed and length is None and (bars or 0) < LEAST_BARS:
        yield "--end", f"name --bars, {LEAST_BARS} or more, or a --length near which the close is looked for"
