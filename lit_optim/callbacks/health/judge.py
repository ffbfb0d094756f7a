from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

EARLY = (2, 5, 10, 20)  # steps
USUAL_RATIO = 1e-3  # of update and weights
HIGH_RATIO, LOW_RATIO = 0.1, 1e-6
LEAST_RMS = 0.03  # that weights count with: what begins at 0, as biases and adapters do, is small for a while
UPHILL = -0.3  # cosine
MOST_SATURATED = 0.5
MOST_CLIPPED = 0.01  # what is left of the norm
MOST_SKIPPED = 0.2  # share of the steps
QUANTITIES = ("gradient_norm", "gradient_norm_clipped", "update_ratio")  # that are always finite in a sound step
IN_A_ROW = 2  # measured steps that must agree; one may be a bad batch


class Reading(NamedTuple):
    """What is known of a param group in one measured step.

    Args:
        group: its name.
        lr: that the step used; NaN where it is not known.
        values: its quantities; None where no parameter has a gradient.
        rms: root mean square of the weights.
        dtype: of the weights, in words.
        lr_before: that the measured step before used.
        highest_lr: of the measured steps so far.
        step: as in the files.
        before: last reading that was finite.
    """

    group: str
    lr: float
    values: Mapping[str, float] | None
    rms: float = 1.0
    dtype: str = "float32"
    lr_before: float = math.nan
    highest_lr: float = math.nan
    step: int = 0
    before: Reading | None = None


def is_due(step: int, every: int) -> bool:
    """Return whether a step is measured: every n-th, and early ones, in which an lr shows that is far too high.

    Later on it may hide: the weights have grown with it.

    Example:
        >>> [step for step in range(1, 101) if is_due(step, 50)]
        [2, 5, 10, 20, 50, 100]
    """
    return step % every == 0 or (step < every and step in EARLY)


def high_ratio(r: Reading) -> str | None:
    """Find an update that is large beside the weights.

    Example:
        >>> high_ratio(Reading("head", 0.1, {"update_ratio": 0.3}))
        'update/weight 0.3; 1e-3 is usual: lower its lr about 100x'
    """
    ratio = _of(r, "update_ratio")
    if not HIGH_RATIO < ratio * min(r.rms / LEAST_RMS, 1.0) < math.inf:
        return None
    return f"update/weight {ratio:.2g}; 1e-3 is usual: lower its lr {_times(ratio / USUAL_RATIO)}"


def low_ratio(r: Reading) -> str | None:
    """Find an update that is nothing beside the weights, unless a warmup or the end of a schedule is the cause.

    Example:
        >>> low_ratio(Reading("body", 1e-7, {"update_ratio": 1e-8}, lr_before=1e-7, highest_lr=1e-7))
        'update/weight 1e-08; 1e-3 is usual: raise its lr at least 1000x, or freeze it'
    """
    ratio = _of(r, "update_ratio")
    if not (r.highest_lr / 2 <= r.lr <= r.lr_before and 0 < ratio < LOW_RATIO):
        return None
    return f"update/weight {ratio:.2g}; 1e-3 is usual: raise its lr {_times(USUAL_RATIO / ratio)}, or freeze it"


def no_gradient(r: Reading) -> str | None:
    """Find a group that is trained and gets no gradient.

    Example:
        >>> no_gradient(Reading("head", 0.1, None))
        'no gradient: the loss does not depend on it; look for a detach() or an unused branch, or freeze it'
    """
    if r.values is None:
        return "no gradient: the loss does not depend on it; look for a detach() or an unused branch, or freeze it"
    if _of(r, "gradient_norm") != 0:
        return None
    return "its gradient is 0: look for dead units (ReLU behind a large lr), a masked loss, or a factor of 0"


def zero_update(r: Reading) -> str | None:
    """Find weights that do not change, although there are a gradient and an lr.

    Example:
        >>> zero_update(Reading("body", 1e-9, {"gradient_norm_clipped": 0.5, "update_ratio": 0.0}, dtype="bfloat16"))
        'no weight changes, with lr 1e-09 and a gradient of 0.5: lost in bfloat16; raise its lr, or use float32'
    """
    if not (r.lr > 0 and _of(r, "gradient_norm_clipped") > 0 and _of(r, "update_ratio") == 0):  # NaN may be 0
        return None
    found = f"no weight changes, with lr {r.lr:g} and a gradient of {_of(r, 'gradient_norm_clipped'):.2g}"
    remedy = "raise its lr" + ", or use float32" * (r.dtype in {"bfloat16", "float16"})
    return f"{found}: lost in {r.dtype}; {remedy}"


def saturation(r: Reading) -> str | None:
    """Find second moments that are no larger than eps.

    Example:
        >>> saturation(Reading("body", 1e-3, {"saturation": 0.8}))
        '80 % of the second moments are below eps, which takes their place: lower optimizer.eps, e.g. 10000x'
    """
    share = _of(r, "saturation")
    if not MOST_SATURATED < share <= 1:
        return None
    found = f"{100 * share:.0f} % of the second moments are below eps, which takes their place"
    return f"{found}: lower optimizer.eps, e.g. 10000x"


def uphill(r: Reading) -> str | None:
    """Find updates that go against the descent.

    Example:
        >>> uphill(Reading("body", 1e-3, {"cosine": -0.5}))
        'the update goes uphill (cosine -0.5): momentum overshoots; lower its lr about 3x, or the momentum'
    """
    cosine = _of(r, "cosine")
    if not -math.inf < cosine < UPHILL:
        return None
    found = f"the update goes uphill (cosine {cosine:.2g})"
    return f"{found}: momentum overshoots; lower its lr about 3x, or the momentum"


def clipped(r: Reading) -> str | None:
    """Find a gradient of which clipping leaves next to nothing.

    Example:
        >>> clipped(Reading("body", 0.1, {"gradient_norm": 300.0, "gradient_norm_clipped": 1.0}))
        'its gradient of norm 300 is clipped to 1: raise trainer.gradient_clip_val about 100x, or find its cause'
    """
    before, after = _of(r, "gradient_norm"), _of(r, "gradient_norm_clipped")
    if not 0 < after < MOST_CLIPPED * before < math.inf:
        return None
    remedy = f"raise trainer.gradient_clip_val {_times(before / after)}, or find its cause"
    return f"its gradient of norm {before:.3g} is clipped to {after:.2g}: {remedy}"


def non_finite_numbers(r: Reading) -> str | None:
    """Find weights, a gradient or an update with NaN or infinity, and what the update was when all was finite.

    Example:
        >>> before = Reading("head", 3.0, {"update_ratio": 0.3}, step=1)
        >>> non_finite_numbers(Reading("head", 3.0, {"gradient_norm": math.nan}, step=4, before=before))
        'NaN or infinity in the gradient at step 4; at step 1 update/weight 0.3; 1e-3 is usual: lower its lr about 100x'
    """
    numbers = {"weights": r.rms, **(r.values or {})}
    where = next((name for name in ("weights", *QUANTITIES) if not math.isfinite(numbers.get(name, 0.0))), None)
    if where is None:
        return None
    found, look = f"NaN or infinity in the {where.partition('_')[0]} at step {r.step}", "look at the loss and the batch"
    if r.before is None:
        return f"{found}; no measured step before was finite: lower its lr about 1000x, or {look}"
    ratio = _of(r.before, "update_ratio")
    usual = f"update/weight {ratio:.2g}, no sign of a high lr: {look}, or add finite to optim_callbacks"
    return f"{found}; at step {r.before.step} {high_ratio(r.before) or usual}"


KINDS: tuple[Callable[[Reading], str | None], ...] = (
    high_ratio,
    low_ratio,
    no_gradient,
    zero_update,
    saturation,
    uphill,
    clipped,
)
AT_ONCE = "non_finite_numbers"  # NaN in a step that was taken is no matter of one batch: it stays


class Judge:
    """Words a problem that two measured steps in a row show, or a number that is not finite, once per kind and group.

    Example:
        >>> judge = Judge()
        >>> [judge.warnings(Reading("head", 0.1, {"update_ratio": 0.3})) for _ in range(3)]
        [[], ['group head: update/weight 0.3; 1e-3 is usual: lower its lr about 100x'], []]
    """

    def __init__(self) -> None:
        self._in_a_row: dict[tuple[str, str], int] = {}
        self._lrs: dict[str, list[float]] = {}
        self._finite: dict[str, Reading] = {}  # the last of each group

    def warnings(self, reading: Reading) -> list[str]:
        """Return what is to be warned of now."""
        lrs = self._lrs.setdefault(reading.group, [])
        lrs.append(reading.lr)
        if len(lrs) > 1:
            reading = reading._replace(lr_before=lrs[-2], highest_lr=max(lrs))
        reading = reading._replace(before=self._finite.get(reading.group))
        where = f"group {reading.group}" if reading.group else "all parameters"
        broken = non_finite_numbers(reading)  # then all other numbers mislead
        found = {AT_ONCE: broken, **{kind.__name__: None if broken else kind(reading) for kind in KINDS}}
        if broken is None and math.isfinite(_of(reading, "update_ratio")):
            self._finite[reading.group] = reading._replace(before=None)
        return [f"{where}: {text}" for kind, text in found.items() if self._is_new(reading.group, kind, text)]

    def skipped(self, steps: int, skipped: float) -> str | None:
        """Return a warning of steps that the gradient scaler has left out since the last measured one."""
        found = f"{skipped:.0f} of {steps} steps were skipped by the gradient scaler"
        text = (
            f"{found}: write trainer.precision=bf16-mixed, or lower the lr" if skipped > MOST_SKIPPED * steps else None
        )
        return text if self._is_new("", "skipped", text) else None

    def _is_new(self, group: str, kind: str, text: str | None) -> bool:
        """Count a problem, and return whether it is there often enough in a row, the first such time."""
        enough = 1 if kind == AT_ONCE else IN_A_ROW
        count = self._in_a_row.get((group, kind), 0)
        if text is not None:
            self._in_a_row[group, kind] = count + 1
        elif count < enough:
            self._in_a_row[group, kind] = 0
        return text is not None and count + 1 == enough


def _of(r: Reading, quantity: str) -> float:
    """Return a quantity; NaN, which compares with nothing, where it is not known."""
    return math.nan if r.values is None else r.values.get(quantity, math.nan)


def _times(factor: float) -> str:
    """Round a factor to a power of 10, upwards from 5 on; one that is too far off to be known is at least 1000.

    Example:
        >>> _times(49), _times(50), _times(4999), _times(5000)
        ('about 10x', 'about 100x', 'about 1000x', 'at least 1000x')
    """
    return "at least 1000x" if factor >= 5000 else f"about {10 ** math.floor(math.log10(2 * factor))}x"
