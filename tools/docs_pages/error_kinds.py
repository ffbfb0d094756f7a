"""Cause and fix of the messages: one line a kind of message, the first whose pattern is found in a message counts."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """Messages with one cause and one fix.

    Args:
        title: of its section, as the message reads.
        pattern: regular expression.
        cause: what is wrong.
        fix: what to write.
    """

    title: str
    pattern: str
    cause: str
    fix: str


# fmt: off
KINDS = (
    Kind("drop it: torch has removed it", r"drop it", "An argument of older versions.", "Remove the key."),
    Kind("several values, left out on the command line", r": several values; |left out on the command line", "A comma makes a list of values for `--multirun`; `~GROUP` or null leaves out what the app needs.", "Write what the message gives."),
    Kind("undoes a preset", r": undoes \w+; write", "The configuration names a preset and repeats a default that changes it back, as where Hydra merges both.", "Write what the message gives."),
    Kind("the group has no such name", r"the group has no such name", "The config group has no option of that name.", "Take the name that the message proposes; `lit-optim list --group scheduler` shows the presets, and `ls` the files of the app's own groups."),
    Kind("an argument that the config does not set, the key is there already", r"an argument that the config does not set|the key is there already|chosen twice", "Hydra changes keys that are there as `key=value`, and adds others as `+key=value`.", "Write what the message gives."),
    Kind("no value, the app chooses nothing there, null chooses nothing", r": no value;|the app chooses nothing there|null chooses nothing", "A group needs a name behind `=`, and can be left out only where the app has chosen one.", "Write a name, or `~GROUP` to leave the group out."),
    Kind("empty", r"=\'\': empty", "The value is an empty text.", "Write what the message gives, or `null`."),
    Kind("has no argument", r"has no argument|has no '\w+'", "The class that the spec names takes no argument of that name.", "Take the name that the message proposes; `lit-optim info NAME` lists the keys."),
    Kind("expects ..., got ...", r" expects\b", "A value has another type than the class asks for, or is not a finite number.", "Write a value of the type that the message names. Numbers need no quotes, and a decimal point in place of a comma."),
    Kind("refused it", r"refused it", "The class itself rejects the value; the text behind the colon is its own.", "Keep to the range that it names."),
    Kind("must lie between, knows only, must be one of", r"must lie between|knows only|must be one of|: must be min or max", "The value is outside of what the argument allows.", "Choose one of the values that the message lists."),
    Kind("no preset of that name", r"no preset of that name", "No file of the group has that name.", "Take the name that the message proposes; `lit-optim list --group optimizer` shows all."),
    Kind("no shape of that name", r"no shape of that name", "`shape` is neither a shape of `lit_optim.schedules` nor an import path.", "Take the name that the message proposes, or write the import path of your own function."),
    Kind("not a spec, not a callback, a rule is a mapping", r"not a spec|not a callback\b|a rule is a mapping|expects rules by name|not a Callback; give|not a Logger; give", "The value is neither the name of a preset nor a mapping with `_target_`.", "Write a preset's name, or a mapping: `{_target_: torch.optim.AdamW, lr: 0.001}`."),
    Kind("missing; choose one", r"missing; choose one|_target_: missing|\.match: missing|: missing; name", "A part of the configuration that the run cannot do without was removed or set to null.", "Write what the message gives as an example."),
    Kind("not an import path, is it installed?", r"not an import path|there is no package|has no '\w+'; did you mean torch", "`_target_` cannot be imported.", "Check the spelling; where the package is missing, install it."),
    Kind("not a torch.optim.Optimizer subclass", r"not a torch\.optim|not a lightning|not a schedule factory", "`_target_` names something that is no optimizer, no scheduler, no callback or no schedule. It is not called.", "Name a class of the kind that the message asks for."),
    Kind("is given at run time; remove it", r"at run time; remove it|positional arguments are not taken|set by this app; remove it", "The argument is filled in by lit-optim or by the app.", "Remove the key, or give the argument by its name."),
    Kind("neither a share below 1 nor a whole number of steps", r"neither a share|not a duration|ambiguous; write 1|cannot be negative|more than the whole run|a share of the run below 1|give one of warmup_steps", "A duration is a whole number of optimizer steps (500), a share of the run (5% or 0.05), or epochs (2ep).", "Write one of these. 1.0 and 1.5 are ambiguous: write 1 for one step, or 100% for the whole run."),
    Kind("longer than the run", r"longer than the run", "The phases of the schedule need more optimizer steps than the run has.", "Shorten the phase, or give it as a share: `5%`."),
    Kind("total_steps is unknown", r"total_steps is unknown", "The schedule needs the length of the run, and the Trainer has none.", "Set `trainer.max_steps` or `trainer.max_epochs`, or `scheduler.total_steps`."),
    Kind("a length in place of the whole slot drops its shape", r"drops its shape", "`scheduler.main=50%` would replace the mapping that holds the shape.", "Write `scheduler.main.steps=50%`."),
    Kind("a plateau cannot be a warmup, no metric drives this schedule", r"cannot be a warmup|no metric drives|write scheduler\.mode", "A plateau follows a metric; it belongs into the slot `main`, and its `mode` beside `monitor`.", "Choose another shape for the warmup; set `scheduler.monitor` and `scheduler.mode`."),
    Kind("not among the logged metrics, no such metric is logged", r"not among the logged metrics|no such metric is logged|monitor='val/acc'", "`monitor` names a metric that the module does not log, or that is not logged because validation is off.", "Take one of the names that the message lists."),
    Kind("matches no parameter, no such type", r"matches no parameter|no such type|a name that another group has", "A rule of `param_groups` selects nothing, or has the name of another group.", "Correct the pattern; `lit-optim card package.module:Model` shows the parameters that it may match."),
    Kind("takes 2-D parameters only, takes one group only", r"takes 2-D|takes sparse|takes one group only|needs torch", "The optimizer cannot work with these parameters, groups or versions; its needs are in its row of the gallery.", "Choose what the message proposes: `optimizer=muon_adamw` for Muon, `param_groups=all` for one group."),
    Kind("cannot be True together", r"cannot be `True` together", "Two values exclude each other.", "Give one of them."),
    Kind("lr_scaling needs a value for it", r"lr_scaling needs", "`lr_scaling` scales the lr from the batch size that it was chosen for, which is missing.", "Give `optimizer.lr_scaling.base_batch_size`."),
    Kind("no such key", r"no such key|is not in struct|Could not override|Key '\w+'|no override|unrecognized arguments", "The configuration has no key of that name. Hydra takes keys of a mapping only where they exist.", "Check the spelling. A key of a class that the preset does not name is added with a plus sign: `+optimizer.amsgrad=true`."),
    Kind("Could not find, Could not load", r"Could not (find|load)|Invalid plugin|Config group override must be|Cannot merge", "The config group has no option of that name, or the value has another form than the one that it overrides.", "Take a name from the list that Hydra prints; a list cannot override a mapping."),
    Kind("Interpolation key not found", r"[Ii]nterpolation|Environment variable|Missing mandatory value", "A value refers to a key or to an environment variable that is not there, or was left open (`???`).", "Define what it refers to, or give a value."),
    Kind("must be a whole number", r"must be (a|the|true|an) ?|nothing to train|leaves 100 bytes", "A value of the app, or a key of the schedule, is out of its range.", "Keep to the range that the message names."),
    Kind("the data have the shape", r"the data have the shape", "The network does not read data of that shape.", "Choose what the message proposes."),
    Kind("got an unexpected keyword argument", r"unexpected keyword argument|missing 1 required positional|Expected a callable target", "A class of the app, or of Lightning, does not take that argument, or lacks one. The key is the one of the configuration.", "Correct or remove the key that the message begins with."),
    Kind("MisconfigurationException", r"MisconfigurationException|is invalid|invalid accelerator|invalid strategy|Requirement '|should be an int|val_check_interval", "Lightning rejects a setting of the Trainer or of a callback; the text behind the name is Lightning's own.", "Correct the key that the message begins with."),
    Kind("ImportError: Error loading", r"ImportError: Error loading", "`_target_` of something that Hydra builds cannot be imported.", "Check the spelling of the import path."),
    Kind("names a folder under logs/", r"names a folder under", "`task_name` must be one name, so that no run can write elsewhere.", "Write a name without `/`."),
    Kind("No such file, Not a directory, File name too long", r"FileNotFoundError|Not a directory|os\.PathLike|File name too long", "A path cannot be read or written.", "Correct the path, and make its folder."),
    Kind("there is no such file, there is no checkpoint in", r"there is no such file|there is no checkpoint|it is searched in", "`ckpt_path` names no file, or none was found in the folders of the run's ModelCheckpoint.", "Correct the path; `ckpt_path=last` and `auto` need the folder of an earlier run."),
    Kind("damaged, not a file that torch.save has written", r"damaged|not a file that torch\.save|and not a file|a folder without", "The file is cut off, was changed, or is no checkpoint.", "Resume from an earlier checkpoint; `ckpt_path=auto` takes the newest that is whole."),
    Kind("not a checkpoint that a Trainer has written to resume from", r"not a checkpoint that a Trainer", "The file holds weights, or lacks what a run needs to go on.", "Load weights in your module; resume only from a full checkpoint (`save_weights_only=False`)."),
    Kind("a checkpoint names it, a checkpoint may name", r"a checkpoint (names it|may name)|contains more than tensors", "A checkpoint would import or run code that is not known to be harmless.", "Only if you trust the file: import the package first, or pass `allow=[...]` to `load_from_checkpoint`."),
    Kind("Error(s) in loading state_dict", r"loading state_dict", "The weights of the checkpoint do not fit the configured network.", "Configure the network that wrote it."),
    Kind("a run that has ended", r"a run that has ended", "The checkpoint has done all epochs that the Trainer allows.", "Increase `trainer.max_epochs`."),
    Kind("RuntimeError and other errors of a network", r"RuntimeError|num_layers must|can't multiply", "The network cannot be built with these values; the text is torch's own.", "Correct the key that the message begins with."),
)
