"""Which rules a wish becomes, for each representation. See ``midigen.sampling.steering``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from midigen.errors import UsageError
from midigen.representations.abc_characters import AbcCharacters
from midigen.representations.chords import Chords
from midigen.representations.grid_plan import LOWEST, MODE, MODES, NO_TONIC, TONIC
from midigen.representations.miditok_tokens import MidiTokTokens
from midigen.representations.notes import Notes
from midigen.representations.parts import Parts
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import VoiceGrid
from midigen.sampling.closing import ElementClose, GridClose, NoteClose, PartsClose
from midigen.sampling.density import density_rule
from midigen.sampling.lane import Lane
from midigen.sampling.last_chord import WrittenClose
from midigen.sampling.progression import SOFT, Progression
from midigen.sampling.rules import PitchMask, RepeatGuard, Rule
from midigen.sampling.steering import Steerer, Steering, knows_keys
from midigen.sampling.steering_limits import require_possible
from midigen.sampling.steering_words import Tonality, tonality_of
from midigen.sampling.token_metre import TokenMetre
from midigen.sampling.tune_density import TuneDensity
from midigen.sampling.tune_rule import TuneRule, TuneWishes, key_values, metre_values
from midigen.scores.key_finding import find_key


def make_steerer(representation: Representation, steering: Steering, length: int | None, bars: int | None) -> Steerer:
    """Return the rules for what is wanted of pieces.

    Raises:
        UsageError: the representation has no means for one of the wishes; the message says why.
    """
    require_possible(representation, steering.wishes, length, bars)
    if any(steering.ranges) and not isinstance(representation, VoiceGrid):
        raise UsageError("--range by voice is for four voices on a grid; give one range such as C4-C6.")
    if isinstance(representation, AbcCharacters):
        made = list(_of_tunes(representation, steering))
    else:
        made = list(_of_rows(representation, steering, length))
    if steering.repeat_guard is not None:
        made.append(RepeatGuard(representation, steering.repeat_guard))
    return Steerer(made, has_ranges=bool(steering.ranges))


def _of_tunes(abc: AbcCharacters, steering: Steering) -> Iterator[Rule]:
    if steering.density is not None:
        yield TuneDensity(abc.characters, steering.density)
    if set(steering.wishes) - {"--repeat-guard", "--density"}:
        yield TuneRule(abc.characters, _tune_wishes(abc.characters, steering))


def _of_rows(representation: Representation, steering: Steering, length: int | None) -> Iterator[Rule]:
    key, scale = steering.tonality, steering.classes
    is_planned = key is not None and knows_keys(representation)
    classes = scale if scale is not None or key is None or is_planned else key.scale
    if classes is not None or steering.ranges:
        opening = key.triad & classes if key is not None and classes is not None else None
        yield PitchMask(representation, classes, steering.ranges, opening or None)
    if isinstance(representation, MidiTokTokens) and steering.metre is not None:
        yield TokenMetre(representation, steering.metre)
    if steering.end:
        # Before the chords, which it has the better of.
        yield _close(representation, steering, length)
    if steering.progression:
        yield Progression(representation, steering.progression, _penalty(steering))
    if steering.density is not None:
        yield density_rule(representation, steering.density)


def _penalty(steering: Steering) -> float:
    return -math.inf if steering.is_hard else SOFT


def _tune_wishes(characters: str, steering: Steering) -> TuneWishes:
    key, metre = steering.tonality, steering.metre
    values: dict[str, Sequence[str]] = {} if key is None else {"K": key_values(characters, key, steering.classes)}
    values |= {} if metre is None else {"M": metre_values(characters, metre)}
    for name, option in (("K", steering.key or steering.scale), ("M", steering.meter)):
        if name in values and not values[name]:
            raise UsageError(f"The model learned from tunes whose characters spell no {name}: field for {option!r}.")
    return TuneWishes(
        values, steering.classes, steering.ranges.get(""), steering.progression, _penalty(steering), steering.end
    )


def _close(representation: Representation, steering: Steering, length: int | None) -> Rule:
    def tonality(lane: Lane) -> Tonality:
        key = key_of(lane)
        return key if steering.classes is None else key._replace(within=steering.classes)

    def key_of(lane: Lane) -> Tonality:
        if steering.tonality is not None:
            return steering.tonality
        if knows_keys(representation) and (tonic := int(lane.plan[lane.count, TONIC])) != NO_TONIC:
            return Tonality((tonic + LOWEST) % 12, MODES[lane.plan[lane.count, MODE]])
        score = representation.decode(lane.rows, lane.plan[: lane.count + 1])
        return tonality_of(find_key(score)) if len(score) else Tonality(0, "major")

    if isinstance(representation, VoiceGrid):
        return GridClose(representation, tonality)
    if isinstance(representation, Chords):
        return ElementClose(representation, tonality, length)
    if isinstance(representation, MidiTokTokens):
        return WrittenClose(representation, tonality, length, *steering.ranges.get("", ()))
    if isinstance(representation, Parts):
        return PartsClose(representation, tonality, length)
    assert isinstance(representation, Notes)  # noqa: S101
    return NoteClose(representation, tonality, length)
