"""What steering cannot do: wishes for which a representation has no means, each with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midigen.errors import UsageError
from midigen.models.build import Model
from midigen.models.classic import NoteNetwork
from midigen.representations.abc_characters import AbcCharacters
from midigen.representations.chords import SAMPLED, Chords
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import DRUMS, Notes
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import VoiceGrid

OF_PITCH = ("--key", "--scale", "--range", "--chords", "--end")
LEAST_BARS = 2
"""The last one begins with the close."""


def require_possible(
    representation: Representation, model: Model, wishes: Sequence[str], length: int | None, bars: int | None
) -> None:
    """Check that there are means for all wishes.

    Args:
        representation: of the model.
        model: the network.
        wishes: names of the options that are given.
        length: of the pieces in rows, where the user names it.
        bars: of the pieces, where the user names them.

    Raises:
        UsageError: there is none for one of them; the message says why.
    """
    for wish, reason in _reasons(representation, model, length, bars):
        if wish in wishes:
            raise UsageError(f"{wish} is not possible here: {reason}.")


def _reasons(
    representation: Representation, model: Model, length: int | None, bars: int | None
) -> Iterator[tuple[str, str]]:
    """Yield every option that cannot be obeyed, and why."""
    if isinstance(representation, Chords):
        yield from _of_chords(representation, length)
    elif isinstance(representation, Notes):
        yield from _of_notes(representation, length, bars)
    elif not isinstance(representation, (AbcCharacters, VoiceGrid)):
        tells_bars = isinstance(representation, MidiTokTokens) and representation.tells_bars
        works = f"--key, --scale, --range{', --chords' * tells_bars} and --repeat-guard work"
        for wish in ("--end", "--meter", "--density", *(() if tells_bars else ("--chords",))):
            yield wish, f"when a token of {representation.name} sounds is known to MidiTok alone; {works}"
    if isinstance(model, NoteNetwork):
        for wish in ("--density", "--end"):
            yield wish, "the published note network computes each step, so that there is no choice to bend"


def _of_chords(chords: Chords, length: int | None) -> Iterator[tuple[str, str]]:
    yield "--meter", "chord tokens have no bars of their own; they are written in 4/4"
    yield "--density", "chord tokens come one after another in fixed time; set it with --offset"
    if chords.offset == SAMPLED:
        yield "--chords", "sampled offsets know no bars; take --offset 0.25 or 0.5"
    if length is None:
        yield "--end", "name a --length behind which the close is looked for"


def _of_notes(notes: Notes, length: int | None, bars: int | None) -> Iterator[tuple[str, str]]:
    if notes.clock == "seconds":
        for wish in ("--meter", "--chords"):
            yield wish, "the model counts seconds and knows no bars"
    if set(notes.programs) == {DRUMS}:
        for wish in OF_PITCH:
            yield wish, "the model plays drums alone"
    if length is None and (bars or 0) < LEAST_BARS:
        yield "--end", f"name --bars, {LEAST_BARS} or more, or a --length near which the close is looked for"
