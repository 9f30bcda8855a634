"""What the tokenizers of the library MidiTok share; see ``midigen.representations.miditok_tokenizers`` for each."""

# ruff: noqa: ARG002  # without plan and context there is no use for some of what is given

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from midigen.errors import RepresentationError, UsageError
from midigen.fields import Field
from midigen.formats.midi import from_symusic
from midigen.representations.miditok_songs import put_in_order, to_symusic
from midigen.representations.miditok_time import METRES, NUMBERS, STEPS_IN_BEAT, Place, held, require_token
from midigen.representations.notes import DRUMS, PITCHES, programs_of
from midigen.representations.representation import Json, Representation, usual_shifts
from midigen.representations.tokens import Tokens, no_plan
from midigen.scores.score import Ints, Metre, Score, Tempo
from midigen.scores.time import metres_from_start, pickup_ticks

PREFIX = "miditok:"
LONGEST_BEATS = 16
PITCH_KINDS = {"Pitch", "NoteOn", "NoteOff"}
"""Tokens that move in a transposition; those of drums have other names."""
KIT_KINDS = ("PitchDrum", "DrumOn", "DrumOff")
STARTS = ("Pitch", "PitchDrum", "NoteOn", "DrumOn")
"""With these a note begins."""


@dataclass(frozen=True)
class MidiTokTokens(Tokens):
    """What the tokenizers share, with what they learned from the training pieces."""

    velocities: bool = False
    lowest: int = 0
    highest: int = PITCHES - 1
    bpm: int = 120
    name: ClassVar[str]
    first: ClassVar[str]
    """The kind of token that every piece begins with."""
    more_settings: ClassVar[Mapping[str, Any]] = {}
    """What one tokenizer is told beyond what all are."""
    cuts: ClassVar[bool] = False
    """Whether a note ends where its key is struck again."""
    note_unit: ClassVar[str] = "token"
    new_piece_rows: ClassVar[int] = 2000
    rows_in_bar: ClassVar[int] = 1000
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
    def _kinds(self) -> list[NDArray[np.str_]]:
        """What each id of a column is: ``Pitch`` of ``Pitch_60``."""
        return [np.array([token.split("_")[0] for token in column]) for column in self._vocabularies]

    @cached_property
    def pitches(self) -> list[Ints]:
        """The pitch that each id of a column stands for, -1 for what is no pitch. Ids of pitches follow each other."""
        tokens = [[token.split("_") for token in column] for column in self._vocabularies]
        return [np.array([int(t[1]) if t[0] in PITCH_KINDS else -1 for t in column]) for column in tokens]

    @cached_property
    def _numbers(self) -> dict[str, tuple[int, Ints]]:
        """What the ids of a column tell, -1 where they tell nothing of it; see NUMBERS."""
        told = dict[str, tuple[int, Ints]]()
        for name, (kind, read) in NUMBERS.items():
            for column, tokens in enumerate(self._vocabularies):
                split = [token.split("_") for token in tokens]
                if kind in self._kinds[column]:
                    told[name] = column, np.array([read(token[1]) if token[0] == kind else -1 for token in split])
        return told

    def _told(self, what: str, rows: Ints) -> Ints:
        """Return what rows tell, (T,), -1 where they tell nothing of it."""
        column, numbers = self._numbers.get(what, (0, np.full(self.fields[0].size, -1)))
        return np.asarray(numbers[rows[:, column]])

    def _are(self, kind: str, rows: Ints) -> NDArray[np.bool_]:
        """Return which rows are of a kind that has to do with time, (T,)."""
        return np.asarray(self._kinds[0][rows[:, 0]] == kind)

    def onset_ticks(self, rows: Ints) -> Ints:
        """See Representation. A row of no note has the time that it leads to."""
        raise NotImplementedError

    def place(self, rows: Ints) -> Place:
        """Return where the row behind some rows stands, as MidiTok decodes them, if it does not itself move on."""
        raise NotImplementedError

    def moves(self, place: Place, column: int, drawn: Ints) -> Ints | None:
        """Return by how many ticks each id of a column would move on from a place, (V,); None for no such column."""
        raise NotImplementedError

    def in_metre(self, metre: Metre) -> tuple[int, NDArray[np.bool_]] | None:
        """Return the column that holds metres, and its ids without those of other metres, (V,); None without metres.

        Raises:
            RepresentationError: the metre has no token.
        """
        if "length" not in self._numbers:
            return None
        column, lengths = self._numbers["length"]
        require_token(metre)
        wanted = self._vocabularies[column][f"TimeSig_{metre.numerator}/{metre.denominator}"]
        return column, (lengths < 0) | (np.arange(len(lengths)) == wanted)

    @cached_property
    def begun(self) -> Ints:
        """The pitch of the note that each id of the pitches' column begins, (V,), -1 for none and for drums."""
        starts = np.isin(self._kinds[self.pitch_column], STARTS)
        return np.where(starts, self.pitches[self.pitch_column], -1)

    def begin_notes(self, rows: Ints) -> NDArray[np.bool_]:
        """Return with which rows a note begins, (T,)."""
        return np.isin(self._kinds[self.pitch_column][rows[:, self.pitch_column]], STARTS)

    @cached_property
    def pitch_column(self) -> int:
        """The column that holds pitches."""
        return next(column for column, pitches in enumerate(self.pitches) if (pitches >= 0).any())

    def legal(self, rows: Ints, place: Place, column: int, drawn: Ints) -> NDArray[np.bool_]:
        """Return which ids of a column MidiTok could write next, (V,): no torn notes, and drums for the kit alone.

        Args:
            rows: so far.
            place: behind them.
            column: of the row to be drawn.
            drawn: ids of the columns before, (column,).
        """
        follows = self._following[self._kinds[0][rows[-1, 0]] if len(rows) else ""]
        if not (follows & self._are_pitches).any():
            return follows
        is_kit = int(held(self._told("program", rows), 0)[-1]) == DRUMS
        return np.asarray(follows & (~self._are_pitches | (self._are_kit == is_kit)))

    @cached_property
    def _following(self) -> dict[str, NDArray[np.bool_]]:
        """Which ids may follow a kind of token, (V,); at the start, the kind that every piece begins with."""
        graph = {kind: after - {"PAD"} for kind, after in self.tokenizer.tokens_types_graph.items()}
        return {kind: np.isin(self._kinds[0], list(after)) for kind, after in {**graph, "": {self.first}}.items()}

    @cached_property
    def _are_kit(self) -> NDArray[np.bool_]:
        return np.isin(self._kinds[0], KIT_KINDS)

    @cached_property
    def _are_pitches(self) -> NDArray[np.bool_]:
        return np.isin(self._kinds[0], list(PITCH_KINDS)) | self._are_kit

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
        song = self.tokenizer.preprocess_score(to_symusic(self._in_whole_bars(score)))
        put_in_order(song, cut=self.cuts)
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
            require_token(metre)
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
        """See Representation. Bar, metre, position and, before a pitch, program that hold are put before it."""
        known = list[int]()
        if not self._are("Bar", rows[start : start + 1]).any():
            bar, metre, position, program = (
                int(np.flatnonzero(self._are(kind, rows[:start])).max(initial=-1))
                for kind in ("Bar", "TimeSig", "Position", "Program")
            )
            needs_program = bool(self._are_pitches[rows[start : start + 1, 0]].any())
            known = [bar, metre, position if position > bar else -1, program if needs_program else -1]
        part = np.concatenate([rows[[place for place in known if place >= 0]], rows[start:stop]])
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

    def bars_begun(self, rows: Ints, plan: Ints) -> int:
        """See Representation."""
        return self.place(rows).bar + 1 if len(rows) else 0

    def to_json(self) -> Json:
        """See Representation."""
        return {"name": self.name, **asdict(self)}

    @classmethod
    def from_json(cls, description: Json) -> MidiTokTokens:
        """See Representation."""
        values = dict(description)
        del values["name"]
        return cls(**values)
