# fmt: off
"""Bad command lines of the example app: what is typed, what the message must say, and marks.

A text is split at spaces; a tuple is taken as it is. MADE/ stands for the folder of the broken checkpoints. Mark:
"late" = found when the fit begins, after loggers have opened their files.
"""

from _support.bad_command_lines.run import CHECKPOINTS, DATA_AND_MODEL, LOGGER, SETTINGS, TRAINER
from _support.bad_command_lines.specs import CALLBACKS, OPTIMIZER, PARAM_GROUPS, SCHEDULER
from _support.bad_command_lines.strange import HOSTILE, HYDRA, INTERPOLATION, SWEEPS, TEXTS

AREAS = [
    OPTIMIZER,
    SCHEDULER,
    PARAM_GROUPS,
    CALLBACKS,
    DATA_AND_MODEL,
    TRAINER,
    LOGGER,
    SETTINGS,
    CHECKPOINTS,
    TEXTS,
    INTERPOLATION,
    HOSTILE,
    HYDRA,
    SWEEPS,
]

CONTRACT = [  # these messages are part of the contract, to the letter
    ("+optimizer.lrr=0.001", "optimizer.lrr=0.001: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    ("scheduler.warmup=1.5", "scheduler.warmup=1.5: neither a share below 1 nor a whole number of steps; write e.g. 1500, 0.05, 5% or 2ep"),
    ("model.optimizer=sdg", "model.optimizer='sdg': no preset of that name; did you mean 'sgd'?"),
    ("optimizer._target_=os.system", "optimizer._target_=os.system: not a torch.optim.Optimizer subclass (it is a builtin function)"),
    ("trainer.max_epochs=-1", "scheduler: total_steps is unknown because max_epochs=-1; set trainer.max_steps, or scheduler.total_steps"),
]

REAL = {  # these run as processes of their own too
    "optimizer.lr=-1",
    "scheduler.warmup=1.5",
    "param_groups.rules=3",
    "+callbacks.x=3",
    "data.batch_size=0",
    "trainer.max_epochs=-1",
    "task_name=../x",
    "optimizer.lr=${oc.env:NOPE}",
    "optimizer._target_=os.system",
    "ckpt_path=MADE/foreign_package.ckpt",
    "optimizer=adamww",
    "-m optimizer.lr=-1,-2",
    "optimizer=null",
}
