"""How good is a painted video: metrics with pinned protocols, measured in one pass, and their report.

`evaluate` is the way in. ``docs/metrics.md`` states every protocol.
"""

from v2vcli.evaluation.measure import evaluate
from v2vcli.evaluation.registry import METRICS, Context, Measurement, Metric, MetricInfo, Moment, find_metric, metric
from v2vcli.evaluation.report import Report, Score

__all__ = [
    "METRICS",
    "Context",
    "Measurement",
    "Metric",
    "MetricInfo",
    "Moment",
    "Report",
    "Score",
    "evaluate",
    "find_metric",
    "metric",
]
