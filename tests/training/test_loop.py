from __future__ import annotations

import csv
import json
import math
import shutil
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from midigen.checkpoints.run import find_checkpoint, load_checkpoint, load_weights
from midigen.datasets.batches import batches
from midigen.datasets.build import Dataset
from midigen.errors import TrainingError
from midigen.evaluation.likelihood import nll_per_note, total_loss
from midigen.training.loop import Hardware, train
from midigen.training.optimizers import OPTIMIZERS
from tests import tiny

RECURRENT = ["lstm", "gru"]
LENGTHS = pytest.mark.parametrize("sequence_length", [8, None], ids=["streams", "whole"])


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return tiny.melodies(tmp_path)


def weights(run: Path, which: str = "last") -> dict[str, Tensor]:
    return load_weights(find_checkpoint(str(run), run.parent, which))


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("tokens", ["notes", "grid"])
def test_the_loss_falls_when_a_few_pieces_are_overfitted(tmp_path: Path, tokens: str) -> None:
    data = tiny.melodies(tmp_path) if tokens == "notes" else tiny.hymns(tmp_path)
    model = replace(tiny.MODEL, dropout=0.0, hidden_size=16)
    outcome = tiny.run(tiny.job(tmp_path, data, model, epochs=12, learning_rate=0.05, patience=99))
    losses = [row["train_loss"] for row in outcome.history]
    assert losses[-1] < 0.7 * losses[0]
    assert outcome.history[-1]["train_accuracy"] > outcome.history[0]["train_accuracy"]


@LENGTHS
@pytest.mark.parametrize("cell", RECURRENT)
@pytest.mark.parametrize("at", [{"at_epoch": 3}, {"at_batch": 8}], ids=["between epochs", "inside an epoch"])
def test_a_run_that_was_stopped_goes_on_as_if_it_never_was(
    tmp_path: Path, data: Dataset, sequence_length: int | None, cell: str, at: dict[str, int]
) -> None:
    model = replace(tiny.MODEL, cell=cell)
    settings: dict[str, Any] = {"epochs": 6, "sequence_length": sequence_length}
    straight = tiny.run(tiny.job(tmp_path, data, model, "straight", **settings))
    stopped = tiny.run(tiny.job(tmp_path, data, model, "stopped", **settings), tiny.Listener(**at, act=interrupt))
    assert stopped.stopped_because == "interrupted"
    assert len(stopped.history) < 6
    resumed = tiny.run(tiny.resume(tmp_path / "stopped"))
    assert_equal(weights(tmp_path / "straight"), weights(tmp_path / "stopped"))
    timed = {"seconds", "tokens_per_second"}
    assert [{k: v for k, v in row.items() if k not in timed} for row in resumed.history] == [
        {k: v for k, v in row.items() if k not in timed} for row in straight.history
    ]


@LENGTHS
def test_every_batch_is_a_place_to_stop(tmp_path: Path, data: Dataset, sequence_length: int | None) -> None:
    settings: dict[str, Any] = {"epochs": 1, "sequence_length": sequence_length}
    listener = tiny.Listener()
    tiny.run(tiny.job(tmp_path, data, name="straight", **settings), listener)
    for batch in range(1, len(listener.batches) + 1):
        name = f"stopped-{batch}"
        tiny.run(tiny.job(tmp_path, data, name=name, **settings), tiny.Listener(at_batch=batch, act=interrupt))
        tiny.run(tiny.resume(tmp_path / name))
        assert_equal(weights(tmp_path / "straight"), weights(tmp_path / name))


def test_an_interrupt_inside_an_epoch_leaves_a_checkpoint_named_after_the_batch(tmp_path: Path, data: Dataset) -> None:
    tiny.run(tiny.job(tmp_path, data, epochs=6), tiny.Listener(at_batch=2, act=interrupt))
    assert find_checkpoint("run", tmp_path).name == "epoch-0000-batch-00002"
    assert load_checkpoint(find_checkpoint("run", tmp_path)).name == "run"


def test_a_validated_epoch_takes_the_place_of_an_interrupted_first_one(tmp_path: Path, data: Dataset) -> None:
    tiny.run(tiny.job(tmp_path, data), tiny.Listener(at_batch=2, act=interrupt))
    tiny.run(tiny.resume(tmp_path / "run"))
    assert {path.name for path in (tmp_path / "run").glob("epoch-*")} <= {"epoch-0001", "epoch-0002"}


def test_termination_is_told_apart_from_an_interrupt(tmp_path: Path, data: Dataset) -> None:
    listener = tiny.Listener(at_batch=1, act=lambda: signal.raise_signal(signal.SIGTERM))
    assert tiny.run(tiny.job(tmp_path, data), listener).stopped_because == "terminated"


def test_a_second_interrupt_acts_at_once_and_handlers_are_put_back(tmp_path: Path, data: Dataset) -> None:
    usual = signal.getsignal(signal.SIGINT)

    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        tiny.run(tiny.job(tmp_path, data), tiny.Listener(at_batch=1, act=twice))
    assert signal.getsignal(signal.SIGINT) is usual


def test_the_same_seed_gives_the_same_weights_and_another_one_others(tmp_path: Path, data: Dataset) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        tiny.run(tiny.job(tmp_path, data, name=name, seed=seed))
    assert_equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not torch.equal(
        weights(tmp_path / "a")["heads.0.inner.weight"], weights(tmp_path / "c")["heads.0.inner.weight"]
    )


def test_gradients_are_clipped(tmp_path: Path, data: Dataset) -> None:
    def moved(clip: float) -> float:
        job = tiny.job(tmp_path, data, name=f"clip-{clip}", optimizer="sgd", clip=clip, learning_rate=1.0, average=0.0)
        start = tiny.network_of(job).state_dict()
        tiny.run(replace(job, config=replace(job.config, epochs=1, sequence_length=None, batch_size=8)))
        after = weights(job.folder)
        return math.sqrt(sum(float((after[name] - start[name]).square().sum()) for name in start))

    # One batch: the update is the clipped gradient times the rate, which the warm-up holds at a hundredth.
    assert moved(1e-3) <= 1.001e-5
    assert moved(1e3) > 1e-3


def test_the_rate_rises_and_falls_and_the_optimizer_takes_it(
    tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates, step = list[float](), torch.optim.AdamW.step

    def recorded(self: torch.optim.AdamW, *args: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    outcome = tiny.run(tiny.job(tmp_path, data, epochs=10, learning_rate=0.01, patience=99))
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0.009 < max(rates) <= 0.01
    assert rates[-1] < 1e-4
    assert outcome.history[-1]["learning_rate"] == rates[-1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_and_goes_on(tmp_path: Path, data: Dataset, optimizer: str) -> None:
    settings: dict[str, Any] = {"optimizer": optimizer, "epochs": 3, "sequence_length": None}
    outcome = tiny.run(tiny.job(tmp_path, data, name="straight", **settings))
    assert outcome.history[-1]["train_loss"] < outcome.history[0]["train_loss"]
    tiny.run(tiny.job(tmp_path, data, **settings), tiny.Listener(at_batch=4, act=interrupt))
    tiny.run(tiny.resume(tmp_path / "run"))
    assert_equal(weights(tmp_path / "straight"), weights(tmp_path / "run"))


def test_training_stops_when_validation_does_not_get_better(tmp_path: Path, data: Dataset) -> None:
    outcome = tiny.run(tiny.job(tmp_path, data, epochs=200, patience=3, learning_rate=0.1, average=0.0))
    losses = [row["valid_loss"] for row in outcome.history]
    assert len(losses) == outcome.best_epoch + 3 < 200
    assert losses[outcome.best_epoch - 1] == min(losses)
    assert outcome.stopped_because == "no better validation loss for 3 epochs"
    assert find_checkpoint("run", tmp_path).name == f"epoch-{outcome.best_epoch:04d}"


@LENGTHS
def test_the_validation_loss_is_that_of_the_weights_that_are_kept(
    tmp_path: Path, data: Dataset, sequence_length: int | None
) -> None:
    checkpoint = tiny.trained(tmp_path, data, sequence_length=sequence_length)
    loss = total_loss(checkpoint.model, batches(data, "valid", 3), torch.device("cpu"))
    assert loss is not None
    assert checkpoint.config["metrics"]["valid_loss"] == pytest.approx(nll_per_note(loss, 1), rel=1e-5)


def test_without_pieces_held_out_training_stops_when_its_loss_no_longer_falls(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path, [tiny.melody(0)])
    outcome = tiny.run(tiny.job(tmp_path, data, epochs=50, patience=3, learning_rate=1e-9))
    assert outcome.stopped_because == "nothing is held out, and the training loss has not fallen by 0.01 for 3 epochs"
    assert len(outcome.history) < 50
    assert outcome.best_epoch == len(outcome.history)


def test_without_pieces_held_out_training_goes_on_while_its_loss_falls(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path, [tiny.melody(0)])
    settings: dict[str, Any] = {"epochs": 20, "patience": 3, "learning_rate": 0.01, "sequence_length": None}
    outcome = tiny.run(tiny.job(tmp_path, data, replace(tiny.MODEL, dropout=0.0), **settings))
    assert outcome.stopped_because == "the budget is used up"


def test_without_pieces_held_out_the_last_weights_are_the_best(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path, [tiny.melody(0)])
    outcome = tiny.run(tiny.job(tmp_path, data, epochs=3))
    assert [row.keys() & {"valid_loss"} for row in outcome.history] == [set(), set(), set()]
    assert find_checkpoint("run", tmp_path).name == "epoch-0003"


@pytest.mark.parametrize("sequence_length", [4, 8, 1000])
def test_a_piece_may_end_where_a_batch_does(tmp_path: Path, sequence_length: int) -> None:
    data = tiny.dataset(tmp_path, [tiny.melody(0, 8), tiny.melody(1, 8)], splits="tt")
    outcome = tiny.run(tiny.job(tmp_path, data, batch_size=50, sequence_length=sequence_length))
    assert len(outcome.history) == 2


def test_no_piece_to_train_on_is_an_error(tmp_path: Path, data: Dataset) -> None:
    for piece in data.manifest["pieces"]:
        piece["split"] = "test"
    with pytest.raises(TrainingError, match="holds no piece to train on"):
        tiny.run(tiny.job(tmp_path, data))


@LENGTHS
def test_a_loss_that_is_no_number_ends_training_and_is_never_the_best(
    tmp_path: Path, data: Dataset, sequence_length: int | None
) -> None:
    job = tiny.job(tmp_path, data, learning_rate=1e30, batch_size=8, sequence_length=sequence_length)
    with pytest.raises(TrainingError, match=r"no longer a number.*--learning-rate"):
        tiny.run(job)
    assert not job.folder.exists()


def test_minutes_end_training_inside_an_epoch_too(tmp_path: Path, data: Dataset) -> None:
    for epochs in (None, 500):
        outcome = tiny.run(tiny.job(tmp_path, data, name=f"{epochs}", epochs=epochs, minutes=1e-7))
        assert (len(outcome.history), outcome.stopped_because) == (1, "the budget is used up")


def test_all_the_time_spent_counts(tmp_path: Path, data: Dataset) -> None:
    outcome = tiny.run(tiny.job(tmp_path, data, epochs=None, minutes=0.01, patience=999))
    assert 0.6 <= outcome.seconds < 1.2
    assert outcome.history[-1]["seconds"] == pytest.approx(outcome.seconds)
    assert [row["seconds"] for row in outcome.history] == sorted(row["seconds"] for row in outcome.history)


def test_the_reporter_hears_of_every_batch_and_epoch(tmp_path: Path, data: Dataset) -> None:
    listener = tiny.Listener()
    outcome = tiny.run(tiny.job(tmp_path, data), listener)
    assert listener.epochs == outcome.history
    assert listener.batches == sorted(listener.batches)
    assert listener.batches[-1] == pytest.approx(1)


def test_metrics_have_a_line_an_epoch(tmp_path: Path, data: Dataset) -> None:
    outcome = tiny.run(tiny.job(tmp_path, data, epochs=3))
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows == outcome.history


def test_a_checkpoint_says_where_it_comes_from(tmp_path: Path, data: Dataset) -> None:
    config = tiny.trained(tmp_path, data).config
    assert config["corpus_hash"] == data.corpus_hash
    assert config["split"] == {"train": ["0", "1", "2", "3", "4"], "valid": ["5"], "test": []}
    assert config["training"]["seed"] == 1
    assert json.dumps(config)


def test_a_run_folder_that_someone_deletes_is_made_again(tmp_path: Path, data: Dataset) -> None:
    delete = partial(shutil.rmtree, tmp_path / "run")
    tiny.run(tiny.job(tmp_path, data, epochs=3), tiny.Listener(at_epoch=2, act=delete))
    assert load_checkpoint(find_checkpoint("run", tmp_path)).folder.name == "epoch-0003"


@LENGTHS
def test_two_processes_learn_what_one_does(tmp_path: Path, sequence_length: int | None) -> None:
    # Three training pieces in batches of two: the second process finds nothing in the last batch, nor to validate.
    data, model = tiny.melodies(tmp_path, 4), replace(tiny.MODEL, dropout=0.0)
    jobs = [tiny.job(tmp_path, data, model, name, sequence_length=sequence_length) for name in ("one", "two")]
    one = tiny.run(jobs[0])
    two = train(jobs[1], Hardware("cpu", devices=2), tiny.Listener())
    expected = weights(tmp_path / "one")
    for name, weight in weights(tmp_path / "two").items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-5, atol=1e-5)
    assert two.history[-1]["train_loss"] == pytest.approx(one.history[-1]["train_loss"], rel=1e-5)
    assert two.history[-1]["valid_loss"] == pytest.approx(one.history[-1]["valid_loss"], rel=1e-5)


def test_what_goes_wrong_in_one_of_two_processes_is_said_in_a_sentence(tmp_path: Path, data: Dataset) -> None:
    job = tiny.job(tmp_path, data, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"^One of the processes failed: .*no longer a number.*learning-rate\.$"):
        train(job, Hardware("cpu", devices=2), tiny.Listener())


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (Hardware("cuda"), "cannot train on --devices 1 --device cuda: leave them out"),
        (Hardware("cpu", "16-mixed"), "A CPU cannot .* --precision 16"),
    ],
)
def test_hardware_that_is_not_there_is_an_error(tmp_path: Path, data: Dataset, hardware: Hardware, words: str) -> None:
    if hardware.device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(TrainingError, match=words):
        train(tiny.job(tmp_path, data), hardware, tiny.Listener())


def test_half_precision_trains_where_the_processor_can(tmp_path: Path, data: Dataset) -> None:
    half = partial(train, tiny.job(tmp_path, data), Hardware("cpu", "bf16-mixed"), tiny.Listener())
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert math.isfinite(half().history[-1]["valid_loss"])
    else:
        with pytest.raises(TrainingError, match=r"^This CPU cannot train with --precision bf16: use 32\.$"):
            half()
