"""Choosing: which model composes, which of the composed pieces are kept, and what is said of their originality."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midigen.checkpoints.shipped import shipped_models
from midigen.cli.console import Console, shown, summarise
from midigen.errors import SamplingError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from midigen.checkpoints.run import Checkpoint
    from midigen.evaluation.originality import Passages, Shared
    from midigen.evaluation.ranking import Judge, Verdict
    from midigen.sampling.generate import Generated
    from midigen.scores.score import Score

FIGURES = {"style": "style", "likelihood": "nats a note", "novelty": "known"}
"""What each way to rank measures."""
UNKNOWN = "Originality is not known: the training music is not here, or at another --offset"


def load_model(
    console: Console, given: str | None, checkpoints: Path, tokens: str | None = None, doing: str = "Composing with"
) -> Checkpoint:
    """Load the model that is named; without a name find one, of these tokens if any are named, and say which."""
    from midigen.checkpoints.run import find_checkpoint, load_checkpoint

    checkpoint = load_checkpoint(find_checkpoint(given, checkpoints, tokens=tokens))
    if given is None:
        kind = "model" if tokens is None else f"model for {tokens} tokens"
        ships = checkpoint.folder in shipped_models().values()
        whence = f"which comes with midigen: no {kind} is trained here yet" if ships else f"the newest {kind} here"
        console.note(f"{doing} {checkpoint.name}, {whence}.")
    return checkpoint


@dataclass(frozen=True)
class Choice:
    """How to choose, all of it checked before anything is composed."""

    known: Passages | None
    """The training music, where it is known."""
    judge: Judge | None
    keep: int | None
    max_copy: int | None


def plan_choice(
    checkpoint: Checkpoint, count: int, keep: int | None, rank: str | None, max_copy: int | None, *, is_retimed: bool
) -> Choice:
    """Return how to choose among the pieces; retimed ones have not the rhythm by which passages are known.

    Raises:
        UsageError: the options cannot be met.
    """
    from midigen.evaluation.originality import PASSAGE, known_passages
    from midigen.evaluation.ranking import require_fewer

    if keep is not None:
        require_fewer(keep, count)
    if max_copy is not None and max_copy < PASSAGE - 1:
        raise UsageError(f"--max-copy must be {PASSAGE - 1} or more: no shorter passages are looked for.")
    known = None if is_retimed else known_passages(checkpoint)
    if max_copy is not None and known is None:
        raise UsageError(f"{UNKNOWN}; leave out --max-copy.")
    judge = None if keep is None and rank is None else _judge(rank, checkpoint, known)
    return Choice(known, judge, keep, max_copy)


def _judge(rank: str | None, checkpoint: Checkpoint, known: Passages | None) -> Judge:
    """Return the judge that is asked for; by default that of style, or of likelihood where the style is not known."""
    from midigen.evaluation.ranking import likelihood_of, novelty_from, style_of

    if rank in (None, "style"):
        with nullcontext() if rank else suppress(UsageError):
            return style_of(str(checkpoint.config["source"]))
    if rank in (None, "likelihood"):
        return likelihood_of(checkpoint)
    if known is None:
        raise UsageError(f"{UNKNOWN}; take --rank style or likelihood.")
    return novelty_from(known)


def choose(console: Console, generated: Generated, choice: Choice) -> tuple[Generated, list[dict[str, Any]]]:
    """Return the pieces that are kept, the best first, and for --json a row for every piece; show these as a table.

    Without --keep, --rank and --max-copy all pieces are kept, in their order, and there are no rows.

    Raises:
        SamplingError: none is left.
    """
    from midigen.evaluation.ranking import rank

    if choice.judge is None and choice.max_copy is None:
        return generated, []
    scores = generated.scores
    shared = [choice.known.shared(score) if choice.known else None for score in scores]
    objections = [_objection(score, found, choice.max_copy) for score, found in zip(scores, shared, strict=True)]
    # What to change is said of a piece that is kept; here its name is enough.
    flaws = [" and ".join(warning.split(":")[0] for warning in warnings) for warnings in generated.warnings]
    wanted = choice.keep or len(scores)
    verdicts = rank(scores, objections, flaws, choice.judge, wanted)
    rows = [_row(number, verdict, shared[verdict.piece], choice.judge) for number, verdict in enumerate(verdicts, 1)]
    _show(console, rows, choice.judge)
    kept = [verdict.piece for verdict in verdicts if not verdict.reason]
    thrown = summarise(verdict.reason for verdict in verdicts if verdict.reason)
    if not kept:
        raise SamplingError(f"None of {len(scores)} pieces is left: {thrown}. Raise --count, or --max-copy if given.")
    if thrown:
        less = f" in place of {wanted}" if len(kept) < wanted else ""
        console.note(f"Kept {len(kept)}{less} of {len(scores)} pieces. Thrown away: {thrown}.")
    return _only(generated, kept), rows


def _objection(score: Score, shared: Shared | None, max_copy: int | None) -> str:
    """Return the reason why a piece cannot be kept, or ""."""
    if not len(score):
        return "has no notes"
    if max_copy is not None and shared is not None and shared.longest > max_copy:
        return f"copies ({shared.longest} steps in a row)"
    return ""


def _row(number: int, verdict: Verdict, shared: Shared | None, judge: Judge | None) -> dict[str, Any]:
    return {
        "kept": None if verdict.reason else number,
        "piece": verdict.piece + 1,
        **({judge.name: verdict.figure} if judge else {}),
        "originality": _figures(shared),
        "reason": verdict.reason or None,
    }


def _show(console: Console, rows: Sequence[dict[str, Any]], judge: Judge | None) -> None:
    figure = [FIGURES[judge.name]] if judge else []
    console.table(
        ("kept", "piece", *figure, "longest shared", "8 steps shared", "thrown away"),
        [
            (
                str(row["kept"] or "-"),
                str(row["piece"]),
                *([f"{row[judge.name]:.3f}"] if judge else []),
                *_cells(row["originality"]),
                row["reason"] or "",
            )
            for row in rows
        ],
    )
    if judge is not None and judge.name == "likelihood":
        console.note(f"Held-out music costs {judge.best:.3f} nats a note: what comes nearest is kept.")


def _cells(originality: dict[str, Any] | None) -> tuple[str, str]:
    if originality is None:
        return "-", "-"
    return str(originality["longest"] or "below 8"), f"{originality['share']:.0%}"


def _only(generated: Generated, kept: Sequence[int]) -> Generated:
    return replace(
        generated,
        scores=tuple(generated.scores[piece] for piece in kept),
        warnings=tuple(generated.warnings[piece] for piece in kept),
    )


def report_originality(
    console: Console, files: Sequence[dict[str, Any]], scores: Sequence[Score], known: Passages | None
) -> None:
    """Say of each piece how much of it stands in the training music, and add that to what --json says of its file."""
    for file, score in zip(files, scores, strict=True):
        found = None if known is None else known.shared(score)
        file["originality"] = _figures(found)
        if found is not None:
            console.result(f"{shown(Path(file['midi']))}: {_in_words(found)}")
    if known is None:
        console.note(f"{UNKNOWN}.")


def _figures(shared: Shared | None) -> dict[str, Any] | None:
    return None if shared is None else {"longest": shared.longest, "share": shared.share}


def _in_words(shared: Shared) -> str:
    if not shared.longest:
        return "no passage of 8 steps is shared with the training music"
    return (
        f"longest passage shared with the training music: {shared.longest} steps; {shared.share:.0%} of its 8-step "
        "passages are found there"
    )
