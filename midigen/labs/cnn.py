"""Pictures told apart, and composers (Hallman, Deep Learning, 7.3 and 7.4; Bahng, Multilayer Perceptrons, 4.2 to 4.6).

Networks of one, two, three and four convolution layers (16, 32, 64 and 128 filters of 3 x 3, each followed by ReLU and
maxima of 2 x 2; a dense layer of 128) learn for at most ten epochs and stop early. Without data the images are piano
rolls of 16 quarters, split by piece.

Bahng's network of five layers (6 and 16 filters of 5 x 5, dense layers of 120, 84 and 10), for which the text gives no
figures, learns scikit-learn's digits, enlarged to the 32 x 32 pixels that it is made for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from midigen.evaluation.style import FILTERS, ImageClassifier
from midigen.labs.digits import CLASSES as DIGITS
from midigen.labs.digits import Pictures, bundled_digits
from midigen.labs.image_training import EPOCHS, Judgement, Trained, fit, predict
from midigen.labs.lab import Report, Result, Settings
from midigen.labs.labelled_images import ImageSets, LabelledImages, folder_sets, music_sets, read_styles
from midigen.rendering.piano_roll import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

PICTURE_SIZE, DENSE = 128, 128
MUSIC_LIMITS = {"train": 200, "valid": 60, "test": 60}
"""Excerpts of a class, so that the lab takes no longer than a minute or two."""
DIGIT_EPOCHS, DIGIT_PATIENCE = 20, 10
"""More than the text's, as an epoch of digits has few batches."""
ENLARGEMENT = 4
DIGIT_LEVELS = 16
DIGITS_FOR_VALIDATION = 300
ALL_EPOCHS = len(FILTERS) * EPOCHS + DIGIT_EPOCHS
PAGE = 5, 4
"""Rows and columns of a page of predictions."""
TEXT = (
    "5, 1.0000; 1.3345, 0.7151",
    "9, 1.0000; 1.0663, 0.7634",
    "4, 1.0000; 1.1395, 0.7930",
    "6, 1.0000; not printed",
)
"""On Rock-Paper-Scissors, by convolution layers: the best epoch and its validation accuracy, test loss and accuracy."""


class FiveLayers(nn.Module):
    """Bahng's network for images (B, channels, 32, 32): two convolutions with maxima, then three dense layers."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(channels, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(16 * 5 * 5, 120), nn.ReLU()),
            *(nn.Linear(120, 84), nn.ReLU()),
            nn.Linear(84, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (B, classes)."""
        logits: Tensor = self.layers(images)
        return logits


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def digit_sets() -> ImageSets:
    """Return scikit-learn's digits at 32 x 32 pixels; the last 300 of those to learn from are for validation."""
    digits = bundled_digits()

    def enlarged(pictures: Pictures) -> LabelledImages:
        pixels = torch.from_numpy(pictures.pixels * DIGIT_LEVELS).to(torch.uint8).unsqueeze(1)
        large = pixels.repeat_interleave(ENLARGEMENT, 2).repeat_interleave(ENLARGEMENT, 3)
        return LabelledImages(large, torch.from_numpy(pictures.labels))

    learned = enlarged(digits.train)
    train = LabelledImages(*(part[:-DIGITS_FOR_VALIDATION] for part in learned))
    valid = LabelledImages(*(part[-DIGITS_FOR_VALIDATION:] for part in learned))
    return ImageSets(tuple(map(str, range(DIGITS))), train, valid, enlarged(digits.test), DIGIT_LEVELS)


def compare(sets: ImageSets, settings: Settings) -> list[Trained]:
    """Train the text's networks of one to four convolution layers on the images."""
    channels, size = sets.train.pixels.shape[1:3]
    networks = []
    for layers in range(1, len(FILTERS) + 1):
        torch.manual_seed(settings.seed)
        network = ImageClassifier(channels, size, layers, DENSE, len(sets.classes))
        networks.append(fit(network, sets, _reporter(settings, (layers - 1) * EPOCHS)))
    return networks


def _reporter(settings: Settings, done: int) -> Callable[[int], None]:
    return lambda epoch: settings.progress(done + epoch, ALL_EPOCHS)


def run(settings: Settings) -> Report:
    """Train the networks on music or on the user's folder of pictures, and Bahng's on digits."""
    if settings.data is None:
        sets = music_sets(read_styles(settings.corpora), MUSIC_LIMITS, settings.seed)
    else:
        sets = folder_sets(settings.data, settings.seed, PICTURE_SIZE)
    networks = compare(sets, settings)
    torch.manual_seed(settings.seed)
    report = _reporter(settings, ALL_EPOCHS - DIGIT_EPOCHS)
    digits = fit(FiveLayers(1, DIGITS), digit_sets(), report, DIGIT_EPOCHS, DIGIT_PATIENCE)
    settings.progress(ALL_EPOCHS, ALL_EPOCHS)
    return Report(
        (
            *_network_rows(networks),
            *_test_rows(networks[-1], sets),
            Result("Bahng's network: parameters", "", f"{parameter_count(digits.network):,}"),
            Result(f"Bahng's, on digits: {_FIGURES}", "", _figures(digits)),
        ),
        draw(networks, sets, settings.seed),
        (_HANDS,) if settings.data else _MUSIC_REMARKS,
    )


_MUSIC_REMARKS = (
    "Fewer layers mean more weights, nearly all in the dense layer, and training images learnt by heart.",
    "No piece is on two sides. Haydn's test images are of one movement and Mozart's of two: their shares say little.",
)
_HANDS = (
    "The text's validation images are drawn from those to learn from, in which each hand is there many times, and the "
    "hands of the test are new: so 100% of those and 72% to 79% of these is no contradiction. Music is split by piece."
)


_FIGURES = "best epoch, validation accuracy; test loss, accuracy"


def _figures(trained: Trained) -> str:
    return f"{trained.best_epoch}, {trained.best.accuracy:.4f}; {trained.test.loss:.4f}, {trained.test.accuracy:.4f}"


def _network_rows(networks: list[Trained]) -> list[Result]:
    rows = []
    for layers, (trained, text) in enumerate(zip(networks, TEXT, strict=True), start=1):
        title = f"{layers} layer" + "s" * (layers > 1)
        rows.append(Result(f"{title}: parameters", "", f"{parameter_count(trained.network):,}"))
        rows.append(Result(f"{title}: {_FIGURES}", f"{text} (Rock-Paper-Scissors)", _figures(trained)))
    return rows


def _test_rows(trained: Trained, sets: ImageSets) -> list[Result]:
    predicted = predict(trained.network, sets.test.pixels, sets.highest).argmax(1)
    counts = sets.test.labels.bincount(minlength=len(sets.classes))
    right = sets.test.labels[predicted == sets.test.labels].bincount(minlength=len(sets.classes))
    told = "; ".join(f"{name} {share:.0%}" for name, share in zip(sets.classes, (right / counts).tolist(), strict=True))
    return [
        Result("test images of the most frequent class", "", f"{counts.max() / counts.sum():.4f}"),
        Result("told right by 4 layers", "", told),
    ]


def draw(networks: list[Trained], sets: ImageSets, seed: int) -> Figure:
    """Draw learning curves, and pages of what the last network tells right and wrong of the test."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 8), dpi=110, layout="constrained")
    left, middle, right = figure.subfigures(1, 3, squeeze=False, wspace=0.03)[0]
    for axes, quantity in zip(left.subplots(2, 1), Judgement._fields, strict=True):
        _draw_curves(axes, networks, quantity)
    order = torch.randperm(len(sets.test.labels), generator=torch.Generator().manual_seed(seed))
    test = LabelledImages(*(part[order] for part in sets.test))
    predicted = predict(networks[-1].network, test.pixels, sets.highest).argmax(1)
    is_right = predicted == test.labels
    for page, chosen, title in ((middle, is_right, "Told right"), (right, ~is_right, "Told wrong")):
        part = LabelledImages(*(tensor[chosen] for tensor in test))
        page.suptitle(f"{title}: {len(part.labels)} of {len(predicted)}", weight="bold")
        _draw_page(page, part, predicted[chosen], sets)
    return figure


def _draw_curves(axes: Axes, networks: list[Trained], quantity: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for number, (trained, colour) in enumerate(zip(networks, PALETTE, strict=False), start=1):
        valid = [getattr(judgement, quantity) for judgement in trained.valid]
        train = [getattr(judgement, quantity) for judgement in trained.train]
        epochs = range(1, len(valid) + 1)
        axes.plot(epochs, train, color=colour, lw=1, ls="--")
        axes.plot(epochs, valid, color=colour, label=f"{number} convolution layer" + "s" * (number > 1))
        axes.plot(trained.best_epoch, getattr(trained.best, quantity), color=colour, marker="o")
    axes.set(xlabel="epoch", title=f"{quantity.capitalize()} (dashed: training; marked: best)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="#EFF0F3")
    axes.legend(frameon=False)


def _draw_page(page: SubFigure, images: LabelledImages, predicted: Tensor, sets: ImageSets) -> None:
    grid = page.subplots(*PAGE)
    for number, axes in enumerate(grid.flat):
        if number >= len(predicted):
            axes.set_axis_off()
            continue
        pixels = images.pixels[number]
        name, guess = (sets.classes[int(labels[number])] for labels in (images.labels, predicted))
        axes.set_title(name if name == guess else f"{name},\nsaid: {guess}", size=9, parse_math=False)
        axes.set(xticks=[], yticks=[])
        if len(pixels) == 3:
            axes.imshow(pixels.permute(1, 2, 0).numpy())
        else:
            # What sounds is grey, where it begins black; the highest pitch is above.
            axes.imshow(pixels.sum(0).numpy(), cmap="Greys", origin="lower", interpolation="nearest")
