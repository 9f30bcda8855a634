"""Generate: new pieces from a checkpoint, several at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from midigen.checkpoints.run import Checkpoint
from midigen.corpora.fetch import no_progress
from midigen.errors import RepresentationError, SamplingError, UsageError
from midigen.formats.abc_notation import PlayedTune
from midigen.models.classic import NoteNetwork
from midigen.representations.abc_characters import AbcCharacters
from midigen.representations.representation import Representation
from midigen.representations.voice_grid import VoiceGrid
from midigen.sampling.closing import SPARE_ROWS
from midigen.sampling.collapse import collapse
from midigen.sampling.constraints import Cut, TuneConstraint
from midigen.sampling.copying import CopyingStepper, stepper_of
from midigen.sampling.draw import DrawSettings
from midigen.sampling.drawing import draw_rows
from midigen.sampling.expression import shape_velocities
from midigen.sampling.finishing import with_metre, with_program, with_tempo, without_prompt
from midigen.sampling.guides import Guides
from midigen.sampling.lane import Lane
from midigen.sampling.steering import Bent, Steerer, Steering, in_key, set_plan, tells_metre, written_in
from midigen.sampling.steering_rules import make_steerer
from midigen.sampling.stepper import AnyStepper, DrawnTimes
from midigen.scores.score import Ints, Score
from midigen.scores.time import metres_from_start

OF_TIME = {"--chords", "--density", "--end"}
"""Wishes that need a choice of when notes sound."""


@dataclass(frozen=True)
class Prompt:
    """The beginning of someone's piece, to go on from."""

    score: Score
    rows: int | None = None
    """How many rows to take; None for all."""
    skip: int = 0
    """How many rows to leave out before them."""
    is_in_output: bool = True


@dataclass(frozen=True)
class Request:
    """What to generate.

    Raises:
        UsageError: a value is out of range, or length and bars are both given.
    """

    seed: int
    count: int = 1
    length: int | None = None
    """Rows: notes, or sixteenths on the grid."""
    bars: int | None = None
    settings: DrawSettings = field(default_factory=DrawSettings)
    prompt: Prompt | None = None
    bpm: float | None = None
    program: int | None = None
    prompt_text: str | None = None
    """The beginning of a tune in ABC characters, to go on from."""
    constrain: bool | None = None
    """Keep tunes in ABC characters valid while they are drawn; None for yes where the model draws such."""
    steering: Steering = field(default_factory=Steering)
    first: int = 0
    """Number of the first piece: each has random numbers of its own."""

    def __post_init__(self) -> None:
        if self.length is not None and self.bars is not None:
            raise UsageError("Give --length or --bars, not both.")
        if self.prompt is not None and self.prompt_text is not None:
            raise UsageError("Give --prompt or --prompt-text, not both.")
        for option, value, most in (
            ("--length", self.length, 20_000),
            ("--bars", self.bars, 1_000),
            ("--count", self.count, 10_000),
        ):
            if value is not None and not 1 <= value <= most:
                raise UsageError(f"{option} must be between 1 and {most}, not {value}.")
        if self.seed < 0:
            raise UsageError(f"--seed must be 0 or more, not {self.seed}.")
        if self.bpm is not None and not 10 <= self.bpm <= 400:
            raise UsageError(f"--tempo lies between 10 and 400 quarters a minute, not {self.bpm}.")
        if self.program is not None and not 0 <= self.program <= 127:
            raise UsageError(f"--program is a General MIDI program from 0 to 127, not {self.program}.")


@dataclass(frozen=True)
class Generated:
    """What came out: pieces, what is odd about each, and how fast it went."""

    scores: tuple[Score, ...]
    warnings: tuple[tuple[str, ...], ...]
    tokens: int
    """Rows drawn, the prompt's not among them."""
    seconds: float
    cut: Cut | None = None
    """What the constraint changed, if there was one."""
    bent: Bent | None = None
    """What the steering changed, if there was any."""


def generate(checkpoint: Checkpoint, request: Request, progress: Callable[[int, int], None] | None = None) -> Generated:
    """Compose pieces. The same checkpoint and request give the same notes.

    Raises:
        SamplingError: the prompt is too short.
        UsageError: a temperature names a column that the model does not have.
        RepresentationError: the prompt does not fit the model.
    """
    representation = checkpoint.representation
    _refuse_conflicts(representation, request)
    steering, steerer = request.steering, None
    if request.prompt is not None and not tells_metre(representation):
        representation = written_in(representation, metres_from_start(request.prompt.score)[0])
    representation = set_plan(representation, steering)
    if steering.wishes:
        steerer = make_steerer(representation, steering, request.length, request.bars)
    given, given_plan = _opening(representation, request)
    started = time.perf_counter()
    numbers = range(request.first, request.first + request.count)
    lanes = [_lane(representation, request, number, given, given_plan) for number in numbers]
    constraint = _constraint(representation, request, lanes)
    guides = Guides(request.settings, constraint, steerer, representation)
    stepper: AnyStepper | CopyingStepper = stepper_of(checkpoint, request.settings)
    if isinstance(stepper, NoteNetwork) and OF_TIME & set(steering.wishes):
        stepper = DrawnTimes(stepper)
    may_end = request.length is None and request.bars is None
    draw_rows(stepper, representation, lanes, guides, progress or no_progress, may_end=may_end)
    if constraint is not None:
        constraint.require_ends()
    seconds = time.perf_counter() - started
    scores = [_finished(representation, lane, request, steerer) for lane in lanes]
    # Chord tokens have an offset in place of durations.
    are_drawn = "offset" not in representation.options
    warnings = tuple(tuple(_oddities(score, are_drawn=are_drawn)) for score in scores)
    tokens = sum(lane.count - lane.given for lane in lanes)
    return Generated(
        tuple(scores),
        warnings,
        tokens,
        seconds,
        constraint.cut if constraint else None,
        steerer.bent if steerer else None,
    )


def _refuse_conflicts(representation: Representation, request: Request) -> None:
    """Check that the wishes go together, and with the model.

    Raises:
        UsageError: they do not.
    """
    steering = request.steering
    names = [column.name for column in representation.fields]
    if unknown := request.settings.temperatures.keys() - set(names):
        wrong = ", ".join(sorted(unknown))
        raise UsageError(f"The model draws no column {wrong}; its columns are: {', '.join(names)}.")
    if steering.metre is not None and request.prompt is not None and tells_metre(representation):
        bars = {metre.bar_ticks for metre in metres_from_start(request.prompt.score)}
        if bars != {steering.metre.bar_ticks}:
            raise UsageError("--meter is not possible with a prompt in another metre: its own goes on.")
    for option, line in (("--key", "\nK:"), ("--meter", "\nM:")):
        if option in steering.wishes and line in f"\n{request.prompt_text}":
            raise UsageError(f"{option} is not possible with a prompt that has its {line.strip()} line: change that.")


def _finished(representation: Representation, lane: Lane, request: Request, steerer: Steerer | None) -> Score:
    """Decode a piece; the prompt's tempo goes on where the representation does not count seconds."""
    score = representation.decode(lane.rows, lane.plan[: len(lane.rows) + 1])
    score = score if steerer is None else steerer.finish(lane, score)
    if not representation.velocities:
        score = shape_velocities(score)
    if request.prompt is not None and not request.prompt.is_in_output:
        score = without_prompt(representation, lane, score)
    bpm = request.bpm
    if bpm is None and request.prompt is not None and representation.options.get("clock") != "seconds":
        bpm = request.prompt.score.tempos[0].bpm if request.prompt.score.tempos else None
    score = score if bpm is None else with_tempo(score, bpm)
    if request.steering.metre is not None:
        score = with_metre(score, request.steering.metre)
    return score if request.program is None else with_program(score, request.program)


def _oddities(score: Score, *, are_drawn: bool) -> list[str]:
    if isinstance(score, PlayedTune) and not len(score):
        return ["The text is no tune that can be played: train longer, use --constrain or a larger --length."]
    return collapse(score, durations_are_drawn=are_drawn)


def _constraint(representation: Representation, request: Request, lanes: list[Lane]) -> TuneConstraint | None:
    is_abc = isinstance(representation, AbcCharacters)
    if request.constrain and not is_abc:
        raise UsageError(f"--constrain is for models of ABC characters; this one is for {representation.name}.")
    if not isinstance(representation, AbcCharacters):
        return None
    if request.constrain is False:
        if request.bars is not None:
            raise UsageError(
                "The bars of a tune are counted while it is kept valid: leave out --bars or --no-constrain."
            )
        return None
    longest = [len(lane.plan) - 1 for lane in lanes]
    closes = request.steering.end
    return TuneConstraint(representation.characters, longest, lanes[0].rows, request.bars, closes=closes)


def _lane(representation: Representation, request: Request, index: int, given: Ints, given_plan: Ints | None) -> Lane:
    """Return a piece that begins with the rows given."""
    # Each piece has random numbers of its own, so that the third of ten is the third of three.
    rng = np.random.default_rng([request.seed, index])
    length = request.length
    if length is not None and request.steering.end and not isinstance(representation, VoiceGrid):
        length += SPARE_ROWS
    plan = representation.make_plan(request.bars, length, rng, given_plan)
    if request.bars is None or isinstance(representation, AbcCharacters):
        return Lane(rng, plan, given)
    return Lane(rng, plan, given, request.bars + representation.bars_begun(given, plan))


def _opening(representation: Representation, request: Request) -> tuple[Ints, Ints | None]:
    """Return the rows to begin with and their plan."""
    prompt = request.prompt
    if request.prompt_text is not None:
        if not isinstance(representation, AbcCharacters):
            raise UsageError(f"--prompt-text is for models of ABC characters; this one is for {representation.name}.")
        return representation.encode_text(request.prompt_text)
    if prompt is None:
        return np.zeros((0, len(representation.fields)), np.int64), None
    try:
        rows, plan = representation.encode(in_key(prompt.score, request.steering.tonality))
    except RepresentationError as error:
        raise RepresentationError(f"The piece of --prompt does not fit the model: {error}.") from error
    stop = len(rows) if prompt.rows is None else prompt.skip + prompt.rows
    if prompt.skip < 0 or stop <= prompt.skip or prompt.skip >= len(rows):
        raise SamplingError(
            f"The prompt has {len(rows)} rows: take some of them with --prompt-notes and --prompt-skip."
        )
    return representation.excerpt(rows, plan, prompt.skip, min(stop, len(rows)))
