from __future__ import annotations

from torchmetrics import Metric
from torchmetrics.text import Perplexity

from app.task import Task


class LanguageModel(Task):
    """Tells the next code of a text, at each place."""

    score = "val/perplexity"

    def build_metric(self, classes: int) -> Metric:
        """Among how many codes, equally likely, it seems to choose."""
        return Perplexity()
