"""The folklore about optimizers as data: which runs decide it, and the claims with their sources."""

from __future__ import annotations

from typing import NamedTuple

ADAPTIVE = ("adam", "adamw", "adabound", "radam", "rmsprop", "muon_adamw")
TEXT = {"sgd": "lr log 0.3..30", "momentum": "lr log 0.03..3", **dict.fromkeys(ADAPTIVE, "lr log 1e-3..0.1")}
# Two decades each, for five trials cover no more; those of text enclose the bests of an earlier search.
SPACES = {
    "images": {"sgd": "lr log 0.1..10", "momentum": "lr log 0.01..1", **dict.fromkeys(ADAPTIVE, "lr log 3e-4..3e-2")},
    "lstm": TEXT,
    "transformer": TEXT,
}


class Comparison(NamedTuple):
    """A run of ``lit-optim compare``: its folder's name, optimizers, and overrides of all its runs."""

    name: str
    optimizers: tuple[str, ...]
    overrides: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """The task, with which the name begins.

        Example:
            >>> Comparison("lstm-swats", ("adam",)).task
            'lstm'
        """
        return self.name.partition("-")[0]


# The criterion compares estimates relative to the lr, which the schedule moves, and waits for the end of the warmup.
SWATS = (
    "optim_callbacks=[swats]",
    *(f"optim_callbacks.swats.{setting}" for setting in ("normalize_by_lr=true", "switch_tol=0.1", "min_steps=100")),
)
LOOKAHEAD = ("optim_callbacks=[lookahead]",)
ALL = ("sgd", "momentum", "adam", "adamw", "adabound", "radam", "rmsprop", "muon_adamw")
COMPARISONS = (
    Comparison("images", ALL),
    Comparison("images-swats", ("adam",), SWATS),
    Comparison("images-lookahead", ("momentum", "adam"), LOOKAHEAD),
    Comparison("images-restarts", ("momentum",), ("scheduler=warmup_cosine_restarts",)),
    Comparison("images-cyclic", ("momentum",), ("scheduler=warmup_triangular",)),
    Comparison("lstm", ALL),
    Comparison("lstm-swats", ("adam",), SWATS),
    Comparison("lstm-lookahead", ("adam",), LOOKAHEAD),
    Comparison("transformer", ALL),
    Comparison("transformer-swats", ("adam",), SWATS),
    Comparison("transformer-lookahead", ("adam",), LOOKAHEAD),
    Comparison("transformer-no_warmup", ("adam", "radam"), ("scheduler=cosine",)),
)


class Check(NamedTuple):
    """A difference that a claim says to be above zero.

    Args:
        one: the contender that is said to be better, as ``comparison/optimizer``.
        other: the one that it is compared with.
        measure: ``early``: the metric at 10 to 20 % of the steps; ``end``: its last value; ``steps``: how many times
            fewer steps, as a logarithm to base 2, to the best value of ``other`` (the median of its seeds).
        metric: a loss falls, acc rises.
        margin: how much worse still counts as equal.
        beyond: the same difference of two others, which is subtracted.
    """

    one: str
    other: str
    measure: str
    metric: str
    margin: float = 0.0
    beyond: tuple[str, str] | None = None


class Claim(NamedTuple):
    """A claim, which holds if all of its checks do."""

    text: str
    source: str
    checks: tuple[Check, ...]


ACC, LOSS = 0.005, 0.02  # margins: half a point of accuracy, 0.02 nats
ADAM_LEADS = Check("transformer/adam", "transformer/momentum", "end", "test/loss")

CLAIMS = (
    Claim(
        "Adam is ahead of SGD with momentum early, on images",
        "Keskar & Socher 2017, arXiv:1712.07628",
        (Check("images/adam", "images/momentum", "early", "val/acc"),),
    ),
    Claim(
        "SGD with momentum is better than Adam at the end, on images",
        "Wilson et al. 2017, arXiv:1705.08292",
        (Check("images/momentum", "images/adam", "end", "test/acc"),),
    ),
    Claim(
        "Adam is faster than SGD with momentum on an LSTM, and ends lower",
        "Keskar & Socher 2017, arXiv:1712.07628",
        (
            Check("lstm/adam", "lstm/momentum", "steps", "val/loss"),
            Check("lstm/adam", "lstm/momentum", "end", "test/loss"),
        ),
    ),
    Claim(
        "Adam is faster than SGD with momentum on a transformer, and ends lower",
        "Zhang et al. 2020, arXiv:1912.03194",
        (ADAM_LEADS._replace(measure="steps", metric="val/loss"), ADAM_LEADS),
    ),
    Claim(
        "Adam is ahead of SGD with momentum on a transformer, and by more than on an LSTM",
        "Kunstner et al. 2023, arXiv:2304.13960",
        (ADAM_LEADS, ADAM_LEADS._replace(beyond=("lstm/adam", "lstm/momentum"))),
    ),
    *(
        Claim(
            f"{name} joins both on images: early as Adam, at the end as SGD with momentum",
            source,
            (
                Check(run, "images/adam", "early", "val/acc", ACC),
                Check(run, "images/momentum", "end", "test/acc", ACC),
            ),
        )
        for name, source, run in (
            ("SWATS", "Keskar & Socher 2017, arXiv:1712.07628", "images-swats/adam"),
            ("AdaBound", "Luo et al. 2019, arXiv:1902.09843", "images/adabound"),
        )
    ),
    Claim(
        "Lookahead improves its base",
        "Zhang et al. 2019, arXiv:1907.08610",
        (
            Check("images-lookahead/momentum", "images/momentum", "end", "test/acc"),
            Check("images-lookahead/adam", "images/adam", "end", "test/acc"),
            Check("lstm-lookahead/adam", "lstm/adam", "end", "test/loss"),
            Check("transformer-lookahead/adam", "transformer/adam", "end", "test/loss"),
        ),
    ),
    Claim(
        "RAdam needs no warmup: without one it is as good as Adam with one",
        "Liu et al. 2020, arXiv:1908.03265",
        (Check("transformer-no_warmup/radam", "transformer/adam", "end", "test/loss", LOSS),),
    ),
    Claim(
        "Warmup helps Adam on a transformer",
        "Vaswani et al. 2017, arXiv:1706.03762; Ma & Yarats 2021, arXiv:1910.04209",
        (Check("transformer/adam", "transformer-no_warmup/adam", "end", "test/loss"),),
    ),
    Claim(
        "Restarts (SGDR) beat a plain cosine, on images",
        "Loshchilov & Hutter 2017, arXiv:1608.03983",
        (Check("images-restarts/momentum", "images/momentum", "end", "test/acc"),),
    ),
    Claim(
        "A cyclic lr beats a plain cosine, on images",
        "Smith 2017, arXiv:1506.01186",
        (Check("images-cyclic/momentum", "images/momentum", "end", "test/acc"),),
    ),
    Claim(
        "Momentum improves SGD, on images",
        "Sutskever et al. 2013, ICML",
        (Check("images/momentum", "images/sgd", "end", "test/acc"),),
    ),
    Claim(
        "Muon ends lower than AdamW on a transformer",
        "Liu et al. 2025, arXiv:2502.16982",
        (Check("transformer/muon_adamw", "transformer/adamw", "end", "test/loss"),),
    ),
)
