"""Style: a convolutional network on piano-roll images that tells composers and collections apart.

It is the four-layer network of Hallman (Deep Learning, section 7.4) with a narrower dense layer, trained by
``scripts/train_style.py`` on what comes with music21, and ships as ``style.safetensors`` and ``style.json``. One class
of it is damaged music: real pieces with wrong notes or with parts out of step, so that its probabilities fall for what
only looks like a style.

An image is 16 quarters by 64 pitches. Its 32 features, the dense layer before its ReLU, serve a Fréchet distance; they
are few so that the covariance of some dozens of excerpts means something.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name PyTorch's own texts use

from midigen.errors import CheckpointError, UsageError
from midigen.scores.score import TICKS_PER_QUARTER, Score
from midigen.scores.statistics import is_drum

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]

QUARTERS, STEPS_A_QUARTER = 16, 4
STEPS = QUARTERS * STEPS_A_QUARTER
LOWEST_PITCH, PITCHES = 36, 64
"""From the viola's and the cello's low C, 64 semitones: all but a few notes of the quartets lie there."""
CHANNELS = 2
FEATURES = 32
FILTERS = (16, 32, 64, 128)
NO_IMAGES: Images = np.zeros((0, CHANNELS, PITCHES, STEPS), np.uint8)

WEIGHTS = Path(__file__).with_name("style.safetensors")
CARD = Path(__file__).with_name("style.json")
_BATCH = 256


class ImageClassifier(nn.Module):
    """Convolutions of 3 x 3 with 16, 32, 64 and 128 filters, then a dense layer, then a logit a class.

    After each convolution come a ReLU and the maxima of 2 x 2 pixels (Hallman, section 7.4). Images are
    (B, channels, size, size); what does not fill a square of 2 x 2 at the edge is left out.
    """

    def __init__(self, channels: int, size: int, convolutions: int, dense: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for filters in FILTERS[:convolutions]:
            layers += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
            channels, size = filters, (size - 2) // 2
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Linear(channels * size * size, dense)
        self.head = nn.Linear(dense, classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the dense layer before its ReLU, (B, dense)."""
        features: Tensor = self.dense(self.convolutions(images).flatten(1))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (B, classes)."""
        logits: Tensor = self.head(F.relu(self.features(images)))
        return logits


class StyleNetwork(ImageClassifier):
    """The network that ships. ``classes`` maps the name of each class to the corpora that it stands for."""

    def __init__(self, classes: Mapping[str, list[str]]) -> None:
        super().__init__(CHANNELS, STEPS, len(FILTERS), FEATURES, len(classes))
        self.classes = dict(classes)

    def indices(self, name: str) -> list[int]:
        """Return the numbers of the class of this name, or of all classes that stand for the corpus of this name.

        Raises:
            UsageError: there is none; the message lists those there are.
        """
        found = [i for i, (title, corpora) in enumerate(self.classes.items()) if name == title or name in corpora]
        if not found:
            # One class, of no corpus, is damaged music.
            known = dict.fromkeys(
                name for title, corpora in self.classes.items() if corpora for name in (title, *corpora)
            )
            raise UsageError(f"The style network does not know {name!r}; it knows: {', '.join(known)}.")
        return found


def load_style() -> StyleNetwork:
    """Load the network that ships, in evaluation mode.

    Raises:
        CheckpointError: its files are missing or damaged.
    """
    try:
        network = StyleNetwork(json.loads(CARD.read_text("utf-8"))["classes"])
        network.load_state_dict(load_file(WEIGHTS))
    except (OSError, ValueError, LookupError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"The style network cannot be loaded ({error}); install midigen anew.", CARD) from error
    return network.eval()


def images(score: Score, hop_quarters: int = QUARTERS) -> Images:
    """Cut a score into excerpts of 16 quarters and draw each as a piano roll.

    Drums and pitches outside C2 to Eb7 are left out, and so are excerpts without a note. The last excerpt must be half
    filled, but for the only one.

    Args:
        score: a piece.
        hop_quarters: from the beginning of an excerpt to that of the next.

    Returns:
        (E, 2, 64, 64), 0 or 1: which notes begin, and which sound; pitch downwards from the lowest, then sixteenths.
    """
    rows = score.pitch - LOWEST_PITCH
    chosen = (rows >= 0) & (rows < PITCHES) & ~is_drum(score)
    rows, onset = rows[chosen], _steps(score.onset[chosen])
    end = np.maximum(_steps((score.onset + score.duration)[chosen]), onset + 1)
    hop = hop_quarters * STEPS_A_QUARTER
    length = int(end.max(initial=0))
    starts = range(0, max(length - STEPS // 2, 0) + 1, hop)
    roll = np.zeros((CHANNELS, PITCHES, max(length + 1, starts[-1] + STEPS)), np.int64)
    np.add.at(roll[0], (rows, onset), 1)
    np.add.at(roll[1], (rows, onset), 1)
    np.add.at(roll[1], (rows, end), -1)
    roll[1] = np.cumsum(roll[1], axis=1)
    excerpts = np.stack([roll[:, :, start : start + STEPS] > 0 for start in starts]).astype(np.uint8)
    return excerpts[excerpts.any(axis=(1, 2, 3))]


def _steps(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round ticks to the nearest sixteenth."""
    step = TICKS_PER_QUARTER // STEPS_A_QUARTER
    return (ticks + step // 2) // step


def features(network: StyleNetwork, scores: Iterable[Score]) -> Floats:
    """Return the features of all excerpts of some scores, (N, 32)."""
    return _by_excerpt(network.features, FEATURES, np.concatenate([NO_IMAGES, *map(images, scores)]))


def class_probability(network: StyleNetwork, score: Score, name: str) -> float:
    """Return the probability of a class or corpus: the geometric mean over the excerpts, 0 for a score without notes.

    The geometric mean is low as soon as one excerpt is.

    Raises:
        UsageError: the network knows no class or corpus of this name.
    """
    chosen = network.indices(name)
    excerpts = images(score)
    if not len(excerpts):
        return 0.0
    logits = _by_excerpt(network, len(network.classes), excerpts)
    log_probabilities = torch.from_numpy(logits).log_softmax(1)[:, chosen].logsumexp(1)
    return float(log_probabilities.mean().exp())


def _by_excerpt(function: Callable[[Tensor], Tensor], width: int, excerpts: Images) -> Floats:
    """Apply a function (B, 2, 64, 64) -> (B, width) batch by batch."""
    with torch.inference_mode():
        rows = [function(batch.float()).double().numpy() for batch in torch.split(torch.from_numpy(excerpts), _BATCH)]
    return np.concatenate([np.zeros((0, width)), *rows])


def frechet_distance(first: Floats, second: Floats) -> float:
    """Return the squared Fréchet distance of two sets of features, (N, F) and (M, F), each taken for a Gaussian.

    d = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) with means m and covariances S (Dowson and Landau 1982; Heusel et
    al. 2017 call it FID). The trace of the root is the sum of the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2).
    The covariances are shrunk (see ``shrunk_covariance``), so that few excerpts give a number as well; of two small
    samples of one music it is nevertheless above 0, and the smaller the samples the more: compare only samples of
    like size.

    Raises:
        UsageError: a set has fewer than two rows.
    """
    if min(len(first), len(second)) < 2:
        raise UsageError("The Fréchet distance needs two excerpts of music on each side: give more or longer pieces.")
    one, other = shrunk_covariance(first), shrunk_covariance(second)
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum()
    difference = first.mean(0) - second.mean(0)
    # Rounding may leave a little less than nothing.
    return max(float(difference @ difference + np.trace(one) + np.trace(other) - 2 * shared), 0.0)


def shrunk_covariance(samples: Floats) -> Floats:
    """Return the covariance (F, F) of samples (N, F), drawn towards a multiple of the identity.

    The share of the identity is the one of least expected error (Ledoit and Wolf 2004): much for few samples, almost
    nothing for many.
    """
    count, width = samples.shape
    centred = samples - samples.mean(0)
    covariance = centred.T @ centred / count
    level = np.trace(covariance) / width
    spread = ((covariance - level * np.eye(width)) ** 2).sum()
    error = ((centred**2).sum(1) ** 2).sum() / count**2 - (covariance**2).sum() / count
    share = min(error / spread, 1.0) if spread > 0 else 0.0
    return np.asarray((1 - share) * covariance + share * level * np.eye(width))
