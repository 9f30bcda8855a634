"""Regularisers: equal to torch's, and to what their equations promise."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from midigen.labs.regularisers import BatchNorm, Dropout, EarlyStopping, l1_penalty, l2_penalty, limit_norms


def test_descent_on_the_l2_penalty_is_torchs_weight_decay() -> None:
    ours, theirs = (torch.tensor([[3.0, -1.0], [0.5, 2.0]], requires_grad=True) for _ in range(2))
    optimizers = torch.optim.SGD([ours], lr=0.1), torch.optim.SGD([theirs], lr=0.1, weight_decay=0.3)
    for _ in range(5):
        for optimizer, loss in zip(optimizers, (l2_penalty([ours], 0.3), 0 * theirs.sum()), strict=True):
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    torch.testing.assert_close(ours, theirs)
    assert ours[0, 0].item() == pytest.approx(3 * (1 - 0.1 * 0.3) ** 5)


def test_the_l1_penalty_pulls_all_weights_with_the_same_force() -> None:
    small, large = torch.tensor([[0.01, -0.02]], requires_grad=True), torch.tensor([[-50.0]], requires_grad=True)
    loss = l1_penalty([small, large], 0.5)
    assert loss.item() == pytest.approx(0.5 * 50.03)
    gradients = torch.autograd.grad(loss, [small, large])
    assert [gradient.tolist() for gradient in gradients] == [[[0.5, -0.5]], [[-0.5]]]


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_what_dropout_feeds_a_layer_is_on_average_what_it_is_fed_without(share: float) -> None:
    torch.manual_seed(0)
    affine, a, masks = nn.Linear(4, 3), torch.randn(4), 50_000
    with torch.no_grad():
        dropped = Dropout(share)(a.expand(masks, -1))
        for inputs, expected in (
            (dropped, affine(a)),
            # Without the division only W a shrinks to the share that is kept, and b does not.
            ((1 - share) * dropped, (1 - share) * affine.weight @ a + affine.bias),
        ):
            outputs = affine(inputs)
            errors = (outputs.mean(0) - expected).abs() / (outputs.std(0) / masks**0.5)
            assert errors.max() < 4


def test_dropout_drops_its_share_keeps_the_mean_and_rests_when_not_training() -> None:
    torch.manual_seed(0)
    layer, a = Dropout(0.2), torch.full((100_000,), 3.0)
    dropped = layer(a)
    assert set(dropped.tolist()) == {0.0, 3.75}
    assert (dropped == 0).float().mean().item() == pytest.approx(0.2, abs=0.005)
    assert dropped.mean().item() == pytest.approx(3.0, abs=0.02)
    assert torch.equal(layer.eval()(a), a)


def test_dropout_makes_of_what_both_keep_what_torchs_makes() -> None:
    torch.manual_seed(0)
    a = torch.randn(50)
    dropped = Dropout(0.3)(a)
    theirs = nn.Dropout(0.3)(a)
    both = (dropped != 0) & (theirs != 0)
    assert both.any()
    torch.testing.assert_close(dropped[both], theirs[both])


def test_batch_norm_equals_torchs_in_output_gradient_and_running_averages() -> None:
    torch.manual_seed(0)
    ours, theirs = BatchNorm(3).double(), nn.BatchNorm1d(3).double()
    for parameter in (ours.gamma, theirs.weight, ours.beta, theirs.bias):
        nn.init.constant_(parameter, 2.0)
    for _ in range(3):
        x = (torch.randn(6, 3).double() * torch.tensor([1.0, 5.0, 0.1]) + 4).requires_grad_()
        outputs = ours(x), theirs(x)
        torch.testing.assert_close(*outputs)
        torch.testing.assert_close(*(torch.autograd.grad(y.pow(3).sum(), x)[0] for y in outputs))
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_norm_is_the_identity_for_the_deviation_with_epsilon() -> None:
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)) * 1e-3
    layer = BatchNorm(2)
    layer.beta.data = x.mean(0)
    layer.gamma.data = (x.var(0, correction=0) + BatchNorm.EPSILON).sqrt()
    torch.testing.assert_close(layer(x), x)
    layer.gamma.data = x.std(0, correction=0)
    assert not torch.allclose(layer(x), x, rtol=0.1, atol=0)


@given(seed=st.integers(0, 1000), most=st.floats(0.5, 5))
def test_max_norm_equals_torchs_renorm(seed: int, most: float) -> None:
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(seed))
    theirs = weight.renorm(2, 0, most)
    limit_norms(weight, most)
    torch.testing.assert_close(weight, theirs)
    assert weight.norm(dim=1).max().item() <= most * (1 + 1e-6)


def test_early_stopping_waits_and_keeps_the_best_weights() -> None:
    network, stopping = nn.Linear(1, 1), EarlyStopping(patience=2)
    said = []
    for loss in (3.0, 1.0, 2.0, 0.5, 0.7, 0.6):
        nn.init.constant_(network.weight, loss)
        said.append(stopping.is_over(loss, network))
    assert said == [False] * 5 + [True]
    assert (stopping.best_loss, stopping.best_epoch) == (0.5, 4)
    assert stopping.best_weights["weight"].item() == 0.5


def test_small_gains_do_not_count_until_they_add_up() -> None:
    network, stopping = nn.Linear(1, 1), EarlyStopping(patience=3, least_gain=0.1)
    assert [stopping.is_over(loss, network) for loss in (1.0, 0.99, 0.98, 0.97)] == [False, False, False, True]
    assert stopping.best_epoch == 1
    slow = EarlyStopping(patience=3, least_gain=0.1)
    assert not any(slow.is_over(1 - 0.06 * epoch, network) for epoch in range(10))
