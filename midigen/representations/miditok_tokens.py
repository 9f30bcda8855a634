"""What the tokenizers of the library MidiTok share; see ``midigen.representations.miditok_tokenizers`` for each."""

# ruff: noqa: ARG002  # without plan and context there is no use for some of what is given

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from midigen.errors import RepresentationError, UsageError
from midigen.fields import Field
from midigen.formats.midi import from_symusic
from midigen.representations.notes import DRUMS, PITCHES, programs_of
from midigen.representations.representation import Json, Representation, usual_shifts
from midigen.representations.tokens import Tokens, no_plan
from midigen.scores.score import TICKS_PER_QUARTER, Ints, Score, Tempo
from midigen.scores.time import metres_from_start, pickup_ticks

if TYPE_CHECKING:
    import symusic

PREFIX = "miditok:"
STEPS_IN_BEAT, LONGEST_BEATS = 8, 16
METRES = {2: (1, 6), 4: (1, 12), 8: (1, 12), 16: (1, 12)}
"""What the metres count in, and how many of those a bar may have."""
PITCH_KINDS = {"Pitch", "NoteOn", "NoteOff"}
"""Tokens that move in a transposition; those of drums have other names."""


@dataclass(frozen=True)
class MidiTokTokens(Tokens):
    """What the tokenizers share, with what they learned from the training pieces."""

    velocities: bool = False
    lowest: int = 0
    highest: int = PITCHES - 1
    bpm: int = 120
    name: ClassVar[str]
    more_settings: ClassVar[Mapping[str, Any]] = {}
    """What one tokenizer is told beyond what all are."""
    cuts: ClassVar[bool] = False
    """Whether a note ends where its key is struck again."""
    tells_bars: ClassVar[bool] = False
    """Whether a bar begins with a row of its own."""
    note_unit: ClassVar[str] = "token"
    new_piece_rows: ClassVar[int] = 2000
    options: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Mapping[str, Any]) -> MidiTokTokens:
        """Learn whether loudness varies, the pitch range and the usual tempo. There are no options.

        Raises:
            RepresentationError: MidiTok is not installed.
        """
        if options:
            raise UsageError(f"The representation {cls.name} has no option {', '.join(sorted(options))}.")
        velocities, tempi = set[int](), Counter[int]()
        lowest, highest = PITCHES - 1, 0
        for score in scores:
            velocities.update(np.unique(score.velocity).tolist())
            tempi[round(score.tempos[0].bpm) if score.tempos else cls.bpm] += 1
            pitched = score.pitch[programs_of(score) != DRUMS].tolist()
            lowest, highest = min([lowest, *pitched]), max([highest, *pitched])
        bpm = tempi.most_common(1)[0][0] if tempi else cls.bpm
        return cls(len(velocities) > 1, min(lowest, highest), highest, bpm)

    def __post_init__(self) -> None:
        self.tokenizer  # noqa: B018  # made here, so that a missing library is said at once

    @cached_property
    def tokenizer(self) -> Any:  # noqa: ANN401  # the library is optional
        """The tokenizer of MidiTok."""
        try:
            import miditok
        except ImportError as error:
            raise RepresentationError(
                f'The tokens {self.name} need the library MidiTok: pip install "midigen-toolkit[tokens]"'
            ) from error
        config = miditok.TokenizerConfig(
            pitch_range=(0, PITCHES - 1),
            drums_pitch_range=(0, PITCHES - 1),
            beat_res={(0, LONGEST_BEATS): STEPS_IN_BEAT},
            special_tokens=["PAD"],  # MidiTok cannot do without
            use_velocities=self.velocities,
            use_programs=True,
            use_time_signatures=True,
            time_signature_range=METRES,
            **self.more_settings,
        )
        return getattr(miditok, self.name.removeprefix(PREFIX))(config)

    @property
    def _vocabularies(self) -> list[dict[str, int]]:
        """The ids of the tokens, by column."""
        return [self.tokenizer.vocab]

    @property
    def fields(self) -> tuple[Field, ...]:
        """See Representation."""
        return (Field("token", len(self._vocabularies[0])),)

    @cached_property
    def _kinds(self) -> list[Any]:
        """What each id of a column is: ``Pitch`` of ``Pitch_60``."""
        return [np.array([token.split("_")[0] for token in column]) for column in self._vocabularies]

    @cached_property
    def pitches(self) -> list[Ints]:
        """The pitch that each id of a column stands for, -1 for what is no pitch. Ids of pitches follow each other."""
        tokens = [[token.split("_") for token in column] for column in self._vocabularies]
        return [np.array([int(t[1]) if t[0] in PITCH_KINDS else -1 for t in column]) for column in tokens]

    def _are(self, kind: str, rows: Ints) -> Any:  # noqa: ANN401  # a mask of shape (T,)
        """Whether rows are of a kind that has to do with time."""
        return self._kinds[0][rows[:, 0]] == kind

    def adopt(self, other: Representation) -> tuple[MidiTokTokens, str]:
        """See Representation."""
        if not isinstance(other, MidiTokTokens) or other.name != self.name:
            raise RepresentationError(f"A model for {other.name} cannot go on with {self.name}.")
        lost = "; the velocities of the new music are not used" if self.velocities and not other.velocities else ""
        return replace(self, velocities=other.velocities), "all tokens fit" + lost

    def encode(self, score: Score) -> tuple[Ints, Ints]:
        """See Representation."""
        if not len(score):
            raise RepresentationError("there are no notes")
        song = self.tokenizer.preprocess_score(_to_symusic(self._in_whole_bars(score)))
        _put_in_order(song, cut=self.cuts)
        ids = self.tokenizer.encode(song, no_preprocess_score=True).ids
        rows = np.array(ids, np.int64).reshape(len(ids), len(self.fields))
        return rows, no_plan(len(rows))

    def _in_whole_bars(self, score: Score) -> Score:
        """Fill the pick-up up to a bar.

        Raises:
            RepresentationError: the tokenizer has no token for a metre.
        """
        first, *others = metres_from_start(score)
        for metre in (first, *others):
            least, most = METRES.get(metre.denominator, (1, 0))
            if not least <= metre.numerator <= most:
                raise RepresentationError(f"the metre {metre.numerator}/{metre.denominator} has no token")
        shift = -pickup_ticks(score) % first.bar_ticks
        metres = (first, *(replace(metre, tick=metre.tick + shift) for metre in others))
        return replace(score, onset=score.onset + shift, metres=metres, pickup=0)

    def decode(self, rows: Ints, plan: Ints) -> Score:
        """See Representation. What is no note or place in time, alone or where it stands, is passed over."""
        rows = self._whole(rows)
        if not len(rows):
            return Score.from_notes([])
        song = self.tokenizer.decode(rows[:, 0] if len(self.fields) == 1 else rows)
        return replace(from_symusic(song), tempos=(Tempo.from_bpm(0, self.bpm),))

    def _whole(self, rows: Ints) -> Ints:
        """Leave out what MidiTok cannot pass over by itself."""
        return rows

    def excerpt(self, rows: Ints, plan: Ints, start: int, stop: int) -> tuple[Ints, Ints]:
        """See Representation. Bar, metre and position that hold at the start are put before it."""
        held = list[int]()
        if not self._are("Bar", rows[start : start + 1]).any():
            bar, metre, position = (
                int(np.flatnonzero(self._are(kind, rows[:start])).max(initial=-1))
                for kind in ("Bar", "TimeSig", "Position")
            )
            held = [place for place in (bar, metre, position if position > bar else -1) if place >= 0]
        part = np.concatenate([rows[held], rows[start:stop]])
        return part, no_plan(len(part))

    def transpositions(self, rows: Ints) -> range:
        """See Representation."""
        pitches = self._pitches_of(rows)
        used = pitches[pitches >= 0]
        return usual_shifts(self.lowest - int(used.min()), self.highest - int(used.max())) if len(used) else range(1)

    def transpose(self, rows: Ints, plan: Ints, semitones: int) -> tuple[Ints, Ints] | None:
        """See Representation. Drums stay."""
        pitches = self._pitches_of(rows)
        moves = pitches >= 0
        moved = pitches[moves] + semitones
        return None if ((moved < 0) | (moved >= PITCHES)).any() else (rows + semitones * moves, plan)

    def _pitches_of(self, rows: Ints) -> Ints:
        """Return the pitch of each id, (T, K), -1 for what is none."""
        return np.stack([pitches[rows[:, column]] for column, pitches in enumerate(self.pitches)], axis=1)

    def onset_ticks(self, rows: Ints) -> Ints:
        """See Representation. A token alone has no time.

        Raises:
            RepresentationError: always.
        """
        raise RepresentationError("Tokens of MidiTok have no time of their own: leave --without-prompt out.")

    def to_json(self) -> Json:
        """See Representation."""
        return {"name": self.name, **asdict(self)}

    @classmethod
    def from_json(cls, description: Json) -> MidiTokTokens:
        """See Representation."""
        values = dict(description)
        del values["name"]
        return cls(**values)


def _to_symusic(score: Score) -> symusic.Score:
    """Return the notes and metres for symusic, a track a program, drums last; a kit is always program 0."""
    import symusic

    song = symusic.Score(TICKS_PER_QUARTER)
    programs = programs_of(score)
    for program in np.unique(programs).tolist():
        track = symusic.Track(program=0 if program == DRUMS else program, is_drum=program == DRUMS)
        onset, duration, pitch, velocity = score.notes[programs == program, :4].T
        track.notes = _note_list(onset, duration, pitch, velocity)
        song.tracks.append(track)
    for metre in score.metres:
        song.time_signatures.append(symusic.TimeSignature(metre.tick, metre.numerator, metre.denominator))
    return song


def _put_in_order(song: symusic.Score, *, cut: bool) -> None:
    """Sort the notes of each track by (onset, pitch), which rounding may have changed; the longer of two stays."""
    for track in song.tracks:
        columns = track.notes.numpy()
        notes = np.stack([columns[name] for name in ("time", "pitch", "duration", "velocity")], axis=1).astype(np.int64)
        notes = notes[np.lexsort((notes * [1, 1, -1, -1]).T[::-1])]
        onset, pitch, duration, velocity = notes[np.append(True, (notes[1:, :2] != notes[:-1, :2]).any(1))].T
        if cut:
            order = np.lexsort([onset, pitch])
            until = np.where(np.diff(pitch[order], append=-1), duration[order], np.diff(onset[order], append=0))
            duration[order] = np.minimum(duration[order], until)
        track.notes = _note_list(onset, duration, pitch, velocity)


def _note_list(onset: Ints, duration: Ints, pitch: Ints, velocity: Ints) -> Any:  # noqa: ANN401  # of symusic
    import symusic

    return symusic.Note.from_numpy(
        onset.astype(np.int32), duration.astype(np.int32), pitch.astype(np.int8), velocity.astype(np.int8)
    )
