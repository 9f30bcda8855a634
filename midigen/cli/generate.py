"""``midigen generate``: compose with a trained network, write MIDI and sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from midigen.cli import options
from midigen.cli.console import Console, refuse_to_overwrite, shown
from midigen.errors import UsageError

if TYPE_CHECKING:
    from midigen.checkpoints.run import Checkpoint
    from midigen.evaluation.ranking import Judge
    from midigen.sampling.draw import DrawSettings
    from midigen.sampling.generate import Generated, Prompt, Request
    from midigen.scores.score import Score


def generate(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Name or folder of a run; the newest by default.", show_default=False),
    ] = None,
    temperature: Annotated[
        str,
        typer.Option(
            metavar="X", help="Below 1 safer, above 1 bolder, 0 the likeliest; or by column: pitch=0.8,duration=1.0."
        ),
    ] = "1.0",
    top_k: Annotated[int | None, typer.Option(metavar="N", help="Draw from the N likeliest only.")] = None,
    top_p: Annotated[float | None, typer.Option(metavar="X", help="Draw from the likeliest that sum to X.")] = None,
    min_p: Annotated[
        float | None, typer.Option(metavar="X", help="Draw from those X times as likely as the likeliest.")
    ] = None,
    length: Annotated[int | None, typer.Option(metavar="N", help="Notes; on the grid, sixteenths.")] = None,
    bars: Annotated[int | None, typer.Option(metavar="N", help="Bars.")] = None,
    count: Annotated[int, typer.Option(metavar="N", help="Number of pieces.")] = 1,
    keep: Annotated[int | None, typer.Option(metavar="N", help="Keep the best of --count pieces, by --rank.")] = None,
    rank: Annotated[
        Literal["style"], typer.Option(help="What is best: the probability of the style of the model's corpus.")
    ] = "style",
    seed: Annotated[int | None, typer.Option(metavar="N", help="Makes a piece repeatable; random by default.")] = None,
    prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Go on from this piece (MIDI, MusicXML, kern, ABC).")
    ] = None,
    prompt_notes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Notes (grid: sixteenths) to take from it; all by default.")
    ] = None,
    prompt_skip: Annotated[int, typer.Option(min=0, metavar="N", help="Notes to leave out before them.")] = 0,
    prompt_text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="ABC characters: the text to begin with, for example X:1.")
    ] = None,
    with_prompt: Annotated[
        bool, typer.Option("--with-prompt/--without-prompt", help="Whether the piece begins with the prompt.")
    ] = True,
    program: Annotated[
        int | None, typer.Option(metavar="N", help="General MIDI instrument, 0 to 127, for all parts.")
    ] = None,
    offset: Annotated[
        Literal["0.25", "0.5", "sampled"] | None,
        typer.Option(help="Chord tokens: quarters from one to the next; sampled as in the corpus; 0.5 by default."),
    ] = None,
    constrain: Annotated[
        bool | None,
        typer.Option(
            "--constrain/--no-constrain",
            help="ABC characters: draw only what keeps a tune valid; the default for them.",
            show_default=False,
        ),
    ] = None,
    until_valid: Annotated[
        bool, typer.Option("--until-valid", help="ABC characters: draw again until --count tunes are valid.")
    ] = False,
    tempo: Annotated[float | None, typer.Option(metavar="X", help="Quarters a minute.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="PATH", help="File for one piece, folder for several.")] = None,
    wav: Annotated[bool, typer.Option("--wav/--no-wav", help="Write sound beside the MIDI file.")] = True,
    force: options.Force = False,
    checkpoints: options.Checkpoints = options.CHECKPOINTS,
) -> None:
    """Compose new pieces, as MIDI and WAV.

    Models of ABC characters write ABC as well.

    Example: midigen generate --temperature 0.8 --bars 16 --seed 7
    """
    import secrets

    from midigen.checkpoints.run import find_checkpoint, load_checkpoint
    from midigen.sampling.generate import Request
    from midigen.sampling.generate import generate as compose
    from midigen.sampling.valid_tunes import generate_valid

    console: Console = ctx.obj
    request = Request(
        seed=secrets.randbelow(10**6) if seed is None else seed,
        count=count,
        length=length,
        bars=bars,
        settings=_settings(temperature, top_k, top_p, min_p),
        prompt=_prompt(prompt, prompt_notes, prompt_skip, is_in_output=with_prompt),
        bpm=tempo,
        program=program,
        prompt_text=prompt_text,
        constrain=constrain,
    )
    trained = load_checkpoint(find_checkpoint(model, checkpoints))
    checkpoint = trained if offset is None else _at_offset(trained, offset)
    judge = None if keep is None else _judge(rank, checkpoint, keep, count)
    targets = _targets(out, checkpoint.name, request if keep is None else replace(request, count=keep))
    sounds = [target.with_suffix(".wav") for target in targets if wav]
    texts = [target.with_suffix(".abc") for target in targets if checkpoint.representation.name == "abc"]
    refuse_to_overwrite([*targets, *sounds, *texts], force=force)
    if prompt is None and prompt_text is None:
        # Not of the checkpoint: at sampled offsets elements that start together would be read as one chord.
        request = replace(request, prompt=_held_out(console, trained, request.seed))
    if model is None:
        console.note(f"Composing with {checkpoint.name}, the newest model here.")
    with console.progress("composing", "step") as progress:
        if until_valid:
            generated, drawn = generate_valid(checkpoint, request, progress)
        else:
            generated, drawn = compose(checkpoint, request, progress), count
    if judge is not None:
        generated = _best(console, generated, len(targets), judge)
    text = f"midigen: model {checkpoint.name}, seed {request.seed}, temperature {temperature}"
    files = _write(console, generated, targets, text, with_sound=wav)
    _report(console, generated, files, request.seed, drawn)


def _judge(rank: str, checkpoint: Checkpoint, keep: int, count: int) -> Judge:
    """Return what marks pieces, before any is composed."""
    from midigen.evaluation.ranking import require_fewer, style_of

    require_fewer(keep, count)
    return {"style": style_of}[rank](str(checkpoint.config["source"]))


def _best(console: Console, generated: Generated, keep: int, judge: Judge) -> Generated:
    """Return the pieces with the highest marks, the best first, and show the marks."""
    from midigen.evaluation.ranking import best

    chosen = best(generated.scores, keep, judge)
    console.table(("kept", "piece", "style"), [(f"{n}", f"{i + 1}", f"{m:.3f}") for n, (i, m) in enumerate(chosen, 1)])
    kept = [index for index, _ in chosen]
    return replace(
        generated,
        scores=tuple(generated.scores[index] for index in kept),
        warnings=tuple(generated.warnings[index] for index in kept),
    )


def _write(
    console: Console, generated: Generated, targets: list[Path], text: str, *, with_sound: bool
) -> list[dict[str, Any]]:
    """Write all pieces and return what --json says of each file."""
    from midigen.formats.abc_notation import PlayedTune

    files = []
    for number, (target, score) in enumerate(zip(targets, generated.scores, strict=True)):
        files.append(_write_midi(console, target, score, f"{text}, piece {number + 1} of {len(targets)}"))
        if isinstance(score, PlayedTune):
            written = target.with_suffix(".abc")
            written.write_text(score.tune.text, "utf-8")
            files[-1]["abc"] = str(written)
        for warning in generated.warnings[number]:
            console.note(f"Warning: {shown(target)}: {warning}")
    # Sound comes last: should it fail, no piece is lost.
    for file, target, score in zip(files, targets, generated.scores, strict=True):
        if with_sound and len(score):
            file["wav"] = _write_sound(console, target.with_suffix(".wav"), score)
    return files


def _tunes_report(console: Console, generated: Generated, drawn: int) -> dict[str, Any]:
    """Say how many tunes are valid and what the constraint changed; empty if no tunes were drawn."""
    from midigen.formats.abc2midi import MISSING, find_abc2midi, valid_tunes
    from midigen.formats.abc_notation import PlayedTune

    tunes = [score.tune for score in generated.scores if isinstance(score, PlayedTune)]
    if not tunes:
        return {}
    valid = sum(valid_tunes(tunes))
    console.note(f"{valid} of {len(tunes)} tunes are valid; {drawn} were drawn.")
    if find_abc2midi() is None:
        console.note(f"{MISSING}.")
    report: dict[str, Any] = {"valid": valid, "drawn": drawn}
    if (cut := generated.cut) is not None:
        changed = f"{cut.mean_mass:.2%} of the probability, and the likeliest character in {cut.share:.2%} of the draws"
        console.note(f"The constraint cut {changed}.")
        report |= {"mass_cut": cut.mean_mass, "likeliest_cut": cut.share}
    return report


def _report(console: Console, generated: Generated, files: list[dict[str, Any]], seed: int, drawn: int) -> None:
    speed = generated.tokens / generated.seconds
    console.document(
        _tunes_report(console, generated, drawn)
        | {
            "files": files,
            "seed": seed,
            "notes": sum(file["notes"] for file in files),
            "quarters": sum(file["quarters"] for file in files),
            "seconds": generated.seconds,
            "tokens_per_second": speed,
            "warnings": [warning for warnings in generated.warnings for warning in warnings],
        }
    )
    console.note(f"Seed {seed}; {generated.tokens} tokens at {speed:.0f} a second.")


def _settings(temperature: str, top_k: int | None, top_p: float | None, min_p: float | None) -> DrawSettings:
    """Read a temperature, or one for each column as in ``pitch=0.8,duration=1.0``."""
    from midigen.sampling.draw import DrawSettings

    common, by_column = 1.0, {}
    try:
        for part in temperature.split(","):
            column, _, value = part.rpartition("=")
            if column:
                by_column[column.strip()] = float(value)
            else:
                common = float(value)
    except ValueError:
        wanted = "a number such as 0.8, or one for each column: pitch=0.8,duration=1.0"
        raise UsageError(f"--temperature takes {wanted}; not {temperature!r}.") from None
    return DrawSettings(common, by_column, top_k, top_p, min_p)


def _at_offset(checkpoint: Checkpoint, offset: str) -> Checkpoint:
    """Return the checkpoint with another time from one chord token to the next."""
    from midigen.representations.chords import Chords

    if not isinstance(checkpoint.representation, Chords):
        raise UsageError(f"--offset is for chord tokens; {checkpoint.name} is a model for another representation.")
    return replace(checkpoint, representation=replace(checkpoint.representation, offset=offset))


def _prompt(file: Path | None, notes: int | None, skip: int, *, is_in_output: bool) -> Prompt | None:
    from midigen.formats.reading import read_one
    from midigen.sampling.generate import Prompt

    if file is None:
        if notes is not None or skip or not is_in_output:
            raise UsageError("--prompt-notes, --prompt-skip and --without-prompt need a --prompt.")
        return None
    return Prompt(read_one(file), notes, skip, is_in_output)


def _held_out(console: Console, trained: Checkpoint, seed: int) -> Prompt | None:
    """Return the opening that a network which reads windows goes on from, and say so; None for other networks."""
    from midigen.sampling.opening import held_out_opening

    opening = held_out_opening(trained, seed)
    if opening is not None:
        console.note("This network goes on from an opening: one of a held-out piece. --prompt names another.")
    return opening


def _targets(out: Path | None, model: str, request: Request) -> list[Path]:
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


def _write_midi(console: Console, target: Path, score: Score, text: str) -> dict[str, Any]:
    """Write a piece as MIDI and return what --json says of it."""
    from midigen.formats.midi import write_midi
    from midigen.scores.score import TICKS_PER_QUARTER

    target.parent.mkdir(parents=True, exist_ok=True)
    write_midi(score, target, [text])
    quarters = score.end / TICKS_PER_QUARTER
    console.result(f"{shown(target)}: {len(score)} notes, {quarters:g} quarters")
    return {"midi": str(target), "notes": len(score), "quarters": quarters}


def _write_sound(console: Console, target: Path, score: Score) -> str:
    from midigen.rendering.synthesize import SAMPLE_RATE, synthesize, write_audio

    audio = synthesize(score)
    write_audio(audio, target)
    console.result(f"{shown(target)}: {len(audio.samples) / SAMPLE_RATE:.1f} s of sound; {audio.note}")
    return str(target)
