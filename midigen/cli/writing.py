"""Writing pieces that were composed: MIDI, ABC and sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from midigen.cli.console import Console, shown
from midigen.errors import UsageError

if TYPE_CHECKING:
    from midigen.sampling.generate import Generated, Request
    from midigen.scores.score import Score


def targets_of(out: Path | None, model: str, request: Request) -> list[Path]:
    """Return the MIDI file for each piece."""
    stem = f"{model}-{request.seed}"
    if request.count == 1:
        if out is None or out.is_dir():
            return [(out or Path()) / f"{stem}.mid"]
        if out.suffix.lower() not in (".mid", ".midi"):
            raise UsageError(f"--out {out} must end in .mid, or be a folder that is there.", file=out)
        return [out]
    if out is not None and (out.is_file() or out.suffix.lower() in (".mid", ".midi")):
        raise UsageError(f"--out {out} is a file, but several pieces need a folder.", file=out)
    width = max(3, len(str(request.count)))
    return [(out or Path()) / f"{stem}-{number:0{width}d}.mid" for number in range(1, request.count + 1)]


def write_pieces(
    console: Console, generated: Generated, targets: list[Path], text: str, *, with_sound: bool
) -> list[dict[str, Any]]:
    """Write all pieces and return what --json says of each file."""
    from midigen.formats.abc_notation import PlayedTune

    files = []
    for number, (target, score) in enumerate(zip(targets, generated.scores, strict=True)):
        files.append(write_one(console, target, score, f"{text}, piece {number + 1} of {len(targets)}"))
        if isinstance(score, PlayedTune):
            written = target.with_suffix(".abc")
            written.write_text(score.tune.text, "utf-8")
            files[-1]["abc"] = str(written)
        for warning in generated.warnings[number]:
            console.note(f"Warning: {shown(target)}: {warning}")
    # Sound comes last: should it fail, no piece is lost.
    for file, target, score in zip(files, targets, generated.scores, strict=True):
        if with_sound and len(score):
            file["wav"] = write_sound(console, target.with_suffix(".wav"), score)
    return files


def write_one(console: Console, target: Path, score: Score, text: str) -> dict[str, Any]:
    """Write a piece as MIDI and return what --json says of it."""
    from midigen.formats.midi import write_midi
    from midigen.scores.score import TICKS_PER_QUARTER

    target.parent.mkdir(parents=True, exist_ok=True)
    write_midi(score, target, [text])
    quarters = score.end / TICKS_PER_QUARTER
    console.result(f"{shown(target)}: {len(score)} notes, {quarters:g} quarters")
    return {"midi": str(target), "notes": len(score), "quarters": quarters}


def write_sound(console: Console, target: Path, score: Score) -> str:
    """Write the sound of a piece and return the name of the file."""
    from midigen.rendering.synthesize import SAMPLE_RATE, synthesize, write_audio

    audio = synthesize(score)
    write_audio(audio, target)
    console.result(f"{shown(target)}: {len(audio.samples) / SAMPLE_RATE:.1f} s of sound; {audio.note}")
    return str(target)
