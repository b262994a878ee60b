"""What an evaluation found: as a table for people and as JSON for programs.

The JSON is a contract (``docs/metrics.md``): keys are added, never renamed or removed. A value that is no finite number
is null there, and ``note`` says why.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from v2vcli.evaluation.registry import Measurement, MetricInfo

if TYPE_CHECKING:
    from rich.table import Table

_ARROWS = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class Score:
    """One metric's result."""

    metric: MetricInfo
    measurement: Measurement

    @property
    def value(self) -> float | None:
        """The figure in ``metric.unit``; None when nothing could be measured."""
        return self.measurement.value


@dataclass(frozen=True)
class Report:
    """The result of one evaluation.

    Attributes:
        output: the video that was judged.
        reference: what it was held against, None if nothing.
        frames: number of frames of the output.
        width: of the output, in pixels.
        height: of the output, in pixels.
        scores: one for each metric, in the order asked for.
        remarks: what did not fit between the inputs (frame counts, timestamps, sizes), one line each.
    """

    output: str
    reference: str | None
    frames: int
    width: int
    height: int
    scores: tuple[Score, ...]
    remarks: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Score:
        """The score of the metric called ``name``; KeyError if it was not asked for."""
        for score in self.scores:
            if score.metric.name == name:
                return score
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """The content of the JSON form, made of plain types."""
        return {
            "output": self.output,
            "reference": self.reference,
            "frames": self.frames,
            "width": self.width,
            "height": self.height,
            "metrics": {
                score.metric.name: {
                    "value": _finite(score.value),
                    "unit": score.metric.unit,
                    "better": score.metric.better,
                    "details": {name: _finite(value) for name, value in score.measurement.details.items()},
                    "note": score.measurement.note,
                }
                for score in self.scores
            },
            "remarks": list(self.remarks),
        }

    def as_json(self) -> str:
        """Strict JSON, indented."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def table(self) -> Table:
        """A rich table: ``rich.print(report.table())``."""
        from rich.markup import escape
        from rich.table import Table

        against = f" against {self.reference}" if self.reference else ""
        title = f"{self.output}{against}: {self.frames} frames, {self.width}x{self.height}"
        table = Table(title=escape(title), title_justify="left", caption="\n".join(map(escape, self.remarks)) or None)
        table.caption_justify = "left"
        table.add_column("metric")
        table.add_column("value", justify="right")
        table.add_column("unit")
        table.add_column("details")
        for score in self.scores:
            found = score.measurement
            details = [f"{name} {_short(value)}" for name, value in found.details.items()]
            table.add_row(
                f"{score.metric.name} {_ARROWS[score.metric.better]}",
                "-" if found.value is None else _short(found.value),
                score.metric.unit,
                escape(", ".join([*details, found.note] if found.note else details)),
            )
        return table


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _short(value: float) -> str:
    return f"{value:,d}" if isinstance(value, int) else f"{value:.4g}"
