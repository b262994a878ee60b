"""What a metric is, and the table of all of them.

A metric is a class registered under a name that pins its protocol: once a figure has been published under a name, a
change of constants gets a new name (``docs/metrics.md`` states each protocol). It sees one `Moment` at a time and keeps
running sums, never frames beyond the previous one, so a two-hour video costs no more memory than a two-second one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import UsageError

if TYPE_CHECKING:  # extractors bring torch with them, which no metric but ssim needs
    from v2vcli.maps.makers.extractors import MapExtractor
    from v2vcli.maps.spec import MapFrame

Image = NDArray[np.uint8]
"""(H, W, 3) RGB, full range."""

Need = Literal["reference", "maps"]


@dataclass(frozen=True, eq=False, slots=True)
class Moment:
    """One output frame and what belongs to it.

    Attributes:
        index: position in the output, 0-based.
        output: the frame that is judged.
        reference: the reference's frame of the same position, at the output's size; None without a reference.
        asked: the map that the output was painted from; None when unknown.
    """

    index: int
    output: Image
    reference: Image | None = None
    asked: MapFrame | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a metric may know before the first frame: the output's size in pixels, and the maker of maps if any."""

    width: int
    height: int
    extractor: MapExtractor | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a metric found.

    Attributes:
        value: the figure, in the metric's unit; None when nothing could be measured (``note`` says why).
        details: further figures of the same run, by name.
        note: a remark for the reader, one line; empty when there is nothing to say.
    """

    value: float | None
    details: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


class Metric(Protocol):
    """A running measurement over one video."""

    def update(self, moment: Moment) -> None:
        """Take one frame into account; frames come in order, none left out."""

    def measurement(self) -> Measurement:
        """The figure over all frames seen so far."""


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """An entry of the table.

    Attributes:
        name: pins the protocol.
        unit: of the value, e.g. ``dB`` or ``0..1``.
        better: which way is up.
        needs: what must be given besides the output video.
        make: builds a fresh measurement.
    """

    name: str
    unit: str
    better: Literal["higher", "lower"]
    needs: frozenset[Need]
    make: Callable[[Context], Metric]


METRICS: dict[str, MetricInfo] = {}
_MetricClass = TypeVar("_MetricClass", bound=Callable[[Context], Metric])


def metric(
    name: str, *, unit: str, better: Literal["higher", "lower"], needs: Iterable[Need] = ()
) -> Callable[[_MetricClass], _MetricClass]:
    """Register the decorated class, which is built with a `Context`, under ``name``."""

    def register(cls: _MetricClass) -> _MetricClass:
        if name in METRICS:
            raise ValueError(f"two metrics are called {name!r}")
        METRICS[name] = MetricInfo(name, unit, better, frozenset(needs), cls)
        return cls

    return register


def find_metric(name: str) -> MetricInfo:
    """The entry called ``name``.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    if name in METRICS:
        return METRICS[name]
    near = difflib.get_close_matches(name, METRICS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(METRICS))}"
    raise UsageError(f"no metric is called {name!r}: {hint}")
