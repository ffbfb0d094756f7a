"""Defines a Hydra callback that checks every job of a sweep before the first one trains."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from lit_optim.errors import ConfigError

MOST_JOBS = 500  # of a large grid; each takes Hydra some hundredths of a second to compose
MOST_VALUES = 20  # of one key, in a sweep that is larger
MOST_LINES = 20


class ValidateSweep(Callback):
    """Stops a sweep with exit code 2, before its first job, if the specs of any job are wrong.

    In the primary config: ``hydra: {callbacks: {validate_sweep: {_target_: lit_optim.ValidateSweep}}}``. Overrides of
    the command line and of ``hydra.sweeper.params`` are expanded, of an interval both ends are tried.

    Example:
        >>> ValidateSweep().on_run_start(config=None)  # a single run validates itself
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Validate all jobs; Hydra would turn an exception into a warning, so it exits."""
        loader = GlobalHydra.instance().config_loader()
        try:
            jobs = list(itertools.islice(expand(overrides_of(config), loader), MOST_JOBS + 1))
            if len(jobs) > MOST_JOBS:
                jobs = list(expand(overrides_of(config), loader, one_at_a_time=True))
                print(f"a large sweep: {len(jobs)} of its jobs are checked, value by value", file=sys.stderr)
        except HydraException:
            return  # the sweeper raises it again
        errors = {i: error for i, job in enumerate(jobs) if (error := _validate_job(config, job, i, loader))}
        if errors:
            problems = {i: getattr(error, "problems", (" ".join(str(error).split()),)) for i, error in errors.items()}
            print(report(jobs, problems), file=sys.stderr)
            raise SystemExit(2 if any(isinstance(error, ConfigError) for error in errors.values()) else 1)


def expand(
    overrides: list[str], loader: ConfigLoader | None = None, *, one_at_a_time: bool = False
) -> Iterator[list[str]]:
    """Yield the overrides of every job of a sweep, in the order in which Hydra's sweeper runs them.

    Args:
        overrides: as on the command line.
        loader: Hydra's, which knows what ``glob`` finds.
        one_at_a_time: the first job, and those that differ from it in one value; of a key with many, some.

    Example:
        >>> list(expand(["optimizer=adamw,sgd", "optimizer.lr=interval(1e-4,1e-2)", "seed=1"]))[:2]
        [['optimizer=adamw', 'optimizer.lr=0.0001', 'seed=1'], ['optimizer=adamw', 'optimizer.lr=0.01', 'seed=1']]
    """
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(overrides)
    values = {override.get_key_element(): _values(override) for override in parsed}  # the last one of a key holds
    first = [options[0] for options in values.values()]
    singly = (
        [*first[:i], value, *first[i + 1 :]]
        for i, options in enumerate(values.values())
        for value in (options[1:] if len(options) <= MOST_VALUES else options[1 :: len(options) // MOST_VALUES])
    )
    for job in itertools.chain([first], singly) if one_at_a_time else itertools.product(*values.values()):
        yield [f"{key}={value}" for key, value in zip(values, job, strict=True)]


def report(jobs: list[list[str]], problems: dict[int, tuple[str, ...]]) -> str:
    """List the problems by job.

    Args:
        jobs: the overrides of every job.
        problems: by the number of the job.

    Example:
        >>> print(report([["optimizer=sgd"], ["optimizer.lr=abc"]], {1: ("optimizer.lr='abc': AdamW expects float",)}))
        1 of 2 jobs of this sweep cannot run; none was started:
          - job 1 (optimizer.lr=abc): optimizer.lr='abc': AdamW expects float
    """
    found: dict[str, list[int]] = {}
    for i, texts in problems.items():
        for text in texts:
            found.setdefault(text, []).append(i)
    common = set(jobs[0]).intersection(*jobs) if len(jobs) > 1 else set()
    lines = []
    for text, numbers in found.items():
        own = " ".join(word for word in jobs[numbers[0]] if word not in common)
        lines.append(f"job {numbers[0]} ({own}){f' and {len(numbers) - 1} more' * (len(numbers) > 1)}: {text}")
    more = [f"  ... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    head = f"{len(problems)} of {len(jobs)} jobs of this sweep cannot run; none was started:"
    return "\n".join([head, *(f"  - {line}" for line in lines[:MOST_LINES]), *more])


def overrides_of(config: DictConfig) -> list[str]:
    """Return the overrides of a sweep: those of the sweeper's configuration, then those of the command line."""
    hydra: Any = OmegaConf.to_container(config.hydra, resolve=False)  # an override may hold an interpolation
    params, task = hydra.get("sweeper", {}).get("params") or {}, hydra["overrides"]["task"]
    return [*(f"{key}={value}" for key, value in params.items()), *task]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if override.is_discrete_sweep():
        return list(override.sweep_string_iterator())
    sweep: Any = override.value()
    return [str(sweep.start), str(sweep.end)]


def _validate_job(config: DictConfig, job: list[str], number: int, loader: ConfigLoader) -> Exception | None:
    """Validate one job, and return its error."""
    from lit_optim.config.validate import validate

    outer = HydraConfig.instance().cfg
    try:
        composed = loader.load_sweep_config(config, job)
        with open_dict(composed):  # specs may interpolate these, and only a launcher sets them
            composed.hydra.job.num, composed.hydra.job.id = number, str(number)
            composed.hydra.runtime.output_dir = str(Path(str(config.hydra.sweep.dir)) / str(number))
        HydraConfig.instance().set_config(composed)
        validate(composed)
    except (ConfigError, HydraException, OmegaConfBaseException) as error:
        return error
    finally:
        HydraConfig.instance().cfg = outer
    return None
