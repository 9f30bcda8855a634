"""``midigen generate``: compose with a trained network, write MIDI and sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from midigen.cli import options, steering
from midigen.cli.choosing import choose, load_model, plan_choice, report_originality
from midigen.cli.console import Console, refuse_to_overwrite
from midigen.cli.writing import targets_of, write_pieces
from midigen.errors import UsageError

if TYPE_CHECKING:
    from midigen.checkpoints.run import Checkpoint
    from midigen.sampling.draw import DrawSettings
    from midigen.sampling.generate import Generated, Prompt, Request


def generate(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Name or folder of a run, or a model that ships; the newest by default.",
            show_default=False,
        ),
    ] = None,
    length: Annotated[
        int | None, options.piece(metavar="N", help="Notes; on the grid, sixteenths; in ABC, characters.")
    ] = None,
    bars: Annotated[int | None, options.piece(metavar="N", help="Bars; in ABC as written.")] = None,
    count: Annotated[int, options.piece(metavar="N", help="Number of pieces.")] = 1,
    seed: Annotated[int | None, options.piece(metavar="N", help="Makes a piece repeatable; random by default.")] = None,
    prompt: Annotated[
        Path | None, options.piece(metavar="FILE", help="Go on from this piece (MIDI, MusicXML, kern, ABC).")
    ] = None,
    prompt_notes: Annotated[
        int | None, options.piece(min=1, metavar="N", help="Notes (grid: sixteenths) to take from it; all by default.")
    ] = None,
    prompt_skip: Annotated[int, options.piece(min=0, metavar="N", help="Notes to leave out before them.")] = 0,
    prompt_text: Annotated[
        str | None, options.piece(metavar="TEXT", help="ABC characters: the text to begin with, for example X:1.")
    ] = None,
    with_prompt: Annotated[
        bool, options.piece("--with-prompt/--without-prompt", help="Whether the piece begins with the prompt.")
    ] = True,
    program: Annotated[
        int | None, options.piece(metavar="N", help="General MIDI instrument, 0 to 127, for all parts.")
    ] = None,
    offset: Annotated[
        Literal["0.25", "0.5", "sampled"] | None,
        options.piece(help="Chord tokens: quarters from one to the next; sampled as in the corpus; 0.5 by default."),
    ] = None,
    tempo: Annotated[float | None, options.piece(metavar="X", help="Quarters a minute.")] = None,
    temperature: Annotated[
        str,
        options.sampling(
            metavar="X", help="Below 1 safer, above 1 bolder, 0 the likeliest; or by column: pitch=0.8,duration=1.0."
        ),
    ] = "1.0",
    top_k: Annotated[int | None, options.sampling(metavar="N", help="Draw from the N likeliest only.")] = None,
    top_p: Annotated[float | None, options.sampling(metavar="X", help="Draw from the likeliest that sum to X.")] = None,
    min_p: Annotated[
        float | None, options.sampling(metavar="X", help="Draw from those X times as likely as the likeliest.")
    ] = None,
    constrain: Annotated[
        bool | None,
        options.sampling(
            "--constrain/--no-constrain",
            help="ABC characters: draw only what keeps a tune valid; the default for them.",
            show_default=False,
        ),
    ] = None,
    until_valid: Annotated[
        bool, options.sampling("--until-valid", help="ABC characters: draw again until --count tunes are valid.")
    ] = False,
    key: steering.Key = None,
    scale: steering.Scale = None,
    pitch_range: steering.Range = None,
    meter: steering.Meter = None,
    density: steering.Density = None,
    chords: steering.Chords = None,
    chords_strength: steering.Strength = "soft",
    end: steering.End = False,
    repeat_guard: steering.RepeatGuard = None,
    keep: Annotated[
        int | None, options.best(metavar="N", help="Keep the best of --count pieces, by --rank; all by default.")
    ] = None,
    rank: Annotated[
        Literal["style", "likelihood", "novelty"] | None,
        options.best(
            help="What is best: the style of the corpus, the default where it is known; a likelihood near that of "
            "held-out music, as the likeliest is dull; or least in common with the training music."
        ),
    ] = None,
    max_copy: Annotated[
        int | None,
        options.best(metavar="N", help="Throw away what shares more than N steps in a row with the training music."),
    ] = None,
    out: Annotated[Path | None, options.output(metavar="PATH", help="File for one piece, folder for several.")] = None,
    wav: Annotated[bool, options.output("--wav/--no-wav", help="Write sound beside the MIDI file.")] = True,
    force: options.Force = False,
    checkpoints: options.Checkpoints = options.CHECKPOINTS,
) -> None:
    """Compose new pieces, as MIDI and WAV.

    Models of ABC characters write ABC as well.

    Example: midigen generate --temperature 0.8 --bars 16 --seed 7
    """
    import secrets

    from midigen.sampling.generate import Request
    from midigen.sampling.generate import generate as compose
    from midigen.sampling.steering import Steering
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
        steering=Steering(
            key, scale, pitch_range, meter, density, chords, chords_strength == "hard", end, repeat_guard
        ),
    )
    trained = load_model(console, model, checkpoints)
    checkpoint = trained if offset is None else _at_offset(trained, offset)
    choice = plan_choice(checkpoint, count, keep, rank, max_copy, is_retimed=offset is not None)
    targets = targets_of(out, checkpoint.name, request if keep is None else replace(request, count=keep))
    others = [".wav"] * wav + [".abc"] * (checkpoint.representation.name == "abc")
    refuse_to_overwrite([*targets, *(t.with_suffix(suffix) for t in targets for suffix in others)], force=force)
    if prompt is None and prompt_text is None:
        # Not of the checkpoint: at sampled offsets elements that start together would be read as one chord.
        request = replace(request, prompt=_held_out(console, trained, request))
    with console.progress("composing", "step") as progress:
        if until_valid:
            generated, drawn = generate_valid(checkpoint, request, progress)
        else:
            generated, drawn = compose(checkpoint, request, progress), count
    generated, ranking = choose(console, generated, choice)
    text = f"midigen: model {checkpoint.name}, seed {request.seed}, temperature {temperature}"
    files = write_pieces(console, generated, targets[: len(generated.scores)], text, with_sound=wav)
    report_originality(console, files, generated.scores, choice.known)
    _report(console, generated, files, request.seed, drawn, ranking)


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


def _report(
    console: Console,
    generated: Generated,
    files: list[dict[str, Any]],
    seed: int,
    drawn: int,
    ranking: list[dict[str, Any]],
) -> None:
    speed = generated.tokens / generated.seconds
    console.document(
        _tunes_report(console, generated, drawn)
        | steering.report_steering(console, generated)
        | {
            "files": files,
            "seed": seed,
            "notes": sum(file["notes"] for file in files),
            "quarters": sum(file["quarters"] for file in files),
            "seconds": generated.seconds,
            "tokens_per_second": speed,
            "warnings": [warning for warnings in generated.warnings for warning in warnings],
        }
        | ({"ranking": ranking} if ranking else {})
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


def _held_out(console: Console, trained: Checkpoint, request: Request) -> Prompt | None:
    """Return the opening that a network which reads windows goes on from, and say so; None for other networks."""
    from midigen.sampling.opening import held_out_opening

    opening = held_out_opening(trained, request.seed, request.steering.metre)
    if opening is not None:
        console.note("This network goes on from an opening: one of a held-out piece. --prompt names another.")
    return opening
