"""Until valid: tunes are drawn again until as many as were asked for are valid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace

from midigen.checkpoints.run import Checkpoint
from midigen.errors import SamplingError, UsageError
from midigen.formats.abc2midi import valid_tunes
from midigen.formats.abc_notation import PlayedTune, Tune
from midigen.representations.abc_characters import AbcCharacters
from midigen.sampling.constraints import Cut
from midigen.sampling.generate import Generated, Request, generate
from midigen.sampling.steering import Bent

MOST_DRAWS = 20
"""For each tune that is asked for."""
SIDE_BY_SIDE = 4
"""At least so many are drawn at a time: the price of a step hardly grows."""


def generate_valid(
    checkpoint: Checkpoint, request: Request, progress: Callable[[int, int], None] | None = None
) -> tuple[Generated, int]:
    """Compose valid tunes (see ``valid_tunes``), and return how many had to be drawn.

    Raises:
        SamplingError: too few of 20 draws for each tune are valid.
        UsageError: the model does not draw ABC characters.
    """
    if not isinstance(checkpoint.representation, AbcCharacters):
        raise UsageError(f"--until-valid is for models of ABC characters, not for {checkpoint.name}.")
    kept, drawn = list[Generated](), 0
    found, most = 0, MOST_DRAWS * request.count
    while found < request.count and drawn < most:
        count = min(max(request.count - found, SIDE_BY_SIDE), most - drawn)
        batch = generate(checkpoint, replace(request, count=count, first=request.first + drawn), progress)
        drawn += count
        tunes = [score.tune if isinstance(score, PlayedTune) else Tune("") for score in batch.scores]
        chosen = [place for place, is_valid in enumerate(valid_tunes(tunes)) if is_valid][: request.count - found]
        found += len(chosen)
        scores, warnings = [batch.scores[place] for place in chosen], [batch.warnings[place] for place in chosen]
        kept.append(replace(batch, scores=tuple(scores), warnings=tuple(warnings)))
    if found < request.count:
        raise SamplingError(
            f"Of {drawn} tunes {found} were valid, not {request.count}: train longer, lower the temperature, "
            "use --constrain or a larger --length."
        )
    return _together(kept), drawn


def _together(batches: list[Generated]) -> Generated:
    cuts = [batch.cut for batch in batches if batch.cut is not None]
    cut = Cut(*(sum(values) for values in zip(*((c.draws, c.mass, c.likeliest) for c in cuts), strict=True)))
    bents = [batch.bent for batch in batches if batch.bent is not None]
    bent = Bent(*(sum(values) for values in zip(*map(astuple, bents), strict=True)))
    return Generated(
        tuple(score for batch in batches for score in batch.scores),
        tuple(warnings for batch in batches for warnings in batch.warnings),
        sum(batch.tokens for batch in batches),
        sum(batch.seconds for batch in batches),
        cut if cuts else None,
        bent if bents else None,
    )
