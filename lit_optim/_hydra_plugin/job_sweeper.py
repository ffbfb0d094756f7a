from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class JobSweeper(Sweeper):
    """Runs the jobs that `lit-optim compare` has written down, through the launcher of the app."""

    def __init__(self, **_: Any) -> None:  # whatever the app has set for another sweeper
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from lit_optim.cli.compare.job_process import Batch

        self.batch = Batch.of_environment()
        self.loader, self.config = hydra_context.config_loader, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=self.batch.guarded(task_function), config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        from lit_optim.cli.compare.job_process import write_error

        assert self.config is not None
        assert self.launcher is not None
        self.batch.watch()
        jobs = {}
        known = self.config.hydra.overrides.hydra
        for folder, words in self.batch.jobs.items():
            own = self.batch.without_null([word for word in words if word not in known], self.loader.get_group_options)
            try:
                self.loader.load_sweep_config(self.config, own)
                jobs[folder] = own
            except Exception as error:  # a result; the other jobs run
                write_error(folder, error)
        returns = self.launcher.launch([*jobs.values()], initial_job_idx=0) if jobs else []
        for folder, each in zip(jobs, returns, strict=True):
            try:
                _ = each.return_value  # raises what has failed outside of the app's function
            except Exception as error:
                write_error(folder, error)
        return returns


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="lit_optim_jobs",
    node={"_target_": "hydra_plugins.lit_optim.job_sweeper.JobSweeper"},
    provider="lit_optim",
)
