"""What a spec gives to a ScheduleLR is checked without torch, by one function for trainings and previews."""

import pytest

from lit_optim import ConfigError, ScheduleLR
from lit_optim.config.build.scheduler import check_scheduler
from lit_optim.config.checks.schedule_arguments import _schedule_lr
from lit_optim.config.checks.signature import call_signature
from lit_optim.config.read.command_line import choices
from lit_optim.config.read.spec import read_spec
from lit_optim.preview.curves import preview


def test_the_signature_is_that_of_schedule_lr():
    assert call_signature(_schedule_lr, 1) == call_signature(ScheduleLR, 1)


@pytest.mark.parametrize(
    ("word", "value", "message"),
    [
        ("drive", 5, "scheduler.drive=5: ScheduleLR expects Mapping"),
        ("optimizer", 3, "scheduler.optimizer=3: ScheduleLR is given 'optimizer' at run time; remove it"),
        ("frequency", 0, "scheduler.frequency=0: must be a whole number of at least 1"),
        ("strict", 3, "scheduler.strict=3: must be true or false"),
        ("reduce_on_plateau", True, "scheduler.reduce_on_plateau=True: no metric drives this schedule; remove it, or"),
        (
            "verbose",
            True,
            "scheduler.verbose=True: ScheduleLR has no argument 'verbose'; drop it: torch has removed it",
        ),
        ("steps_per_epoch", 0, "scheduler.steps_per_epoch=0: must be a whole number of at least 1"),
        ("eta_min", 0, "scheduler.eta_min=0: ScheduleLR has no argument 'eta_min'; here it is scheduler.main.min_lr"),
    ],
)
def test_a_preview_rejects_what_a_training_rejects(word, value, message):
    with pytest.raises(ConfigError) as in_training:
        check_scheduler(read_spec("warmup_cosine", "scheduler", overrides={word: value}))
    [choice] = choices(["optimizer=sgd", "scheduler=warmup_cosine", "total_steps=9", f"scheduler.{word}={value}"])
    with pytest.raises(ConfigError) as in_preview:
        preview(choice)
    assert str(in_preview.value) == str(in_training.value)
    assert str(in_preview.value).startswith(message)


def test_a_preview_takes_the_length_of_an_epoch_from_the_scheduler():
    words = ["optimizer=sgd", "scheduler=warmup_cosine", "total_steps=9", "scheduler.warmup=2ep"]
    [choice] = choices([*words, "scheduler.steps_per_epoch=2"])
    assert preview(choice).phases[0].stop == 4
