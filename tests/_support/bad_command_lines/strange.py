# fmt: off
"""What is wrong whatever the key: strange texts, interpolations, hostile targets, Hydra's own refusals, sweeps."""

from lit_optim.versions import older

LONG = "x" * 5000

TEXTS = [
    ('+optimizer.lrr="a\nb"', "optimizer.lrr='a\\nb': AdamW has no argument 'lrr'"),
    ("optimizer.lr='it\\'s'", 'optimizer.lr="it\'s": AdamW expects float | Tensor, got str'),
    (("optimizer.lr='0.1 0.2'",), "optimizer.lr='0.1 0.2': AdamW expects float | Tensor, got str"),
    ("optimizer.lr='\u202e1.0'", "optimizer.lr='\\u202e1.0': AdamW expects float | Tensor, got str"),
    ("optimizer.lr='😀'", "optimizer.lr='😀': AdamW expects float | Tensor, got str"),
    (f"optimizer.lr={LONG}", "optimizer.lr='xxxxxxxx"),
    (f"+optimizer.{LONG}=1", "File name too long"),
    (f"task_name={LONG}", "task_name=xxxxxxxx"),
    (f"ckpt_path={LONG}", "ckpt_path='xxxxxxxx"),
    ("scheduler.warmup.steps='५'", "scheduler.warmup='५': not a duration"),
    ("scheduler.main.shape='../../etc/passwd'", "scheduler.main.shape=../../etc/passwd: not an import path"),
    ("model.optimizer='../adamw'", "model.optimizer._target_=../adamw: not an import path"),
]

INTERPOLATION = [
    ("optimizer.lr=${nowhere}", "optimizer.lr='${nowhere}': Interpolation key 'nowhere' not found"),
    ("optimizer.lr=${optimizer.lr}", "optimizer.lr='${optimizer.lr}': Recursive interpolation detected"),
    ("optimizer.lr=${oc.env:NOPE}", "optimizer.lr='${oc.env:NOPE}': Environment variable 'NOPE' not found"),
    ("optimizer.lr=${unknown:3}", "optimizer.lr='${unknown:3}': Unsupported interpolation type unknown"),
    ("optimizer.lr=???", "optimizer.lr='???': Missing mandatory value"),
    ("+optimizer.x=${optimizer}", "optimizer.x='${optimizer}': Interpolation to parent node detected"),
    ("seed=${nowhere}", "seed='${nowhere}': Interpolation key 'nowhere' not found"),
    ("seed=???", "seed='???': Missing mandatory value"),
    ("monitor=${nope}", "monitor='${nope}': Interpolation key 'nope' not found"),
    ("ckpt_path=${oc.env:NOPE}", "ckpt_path='${oc.env:NOPE}': Environment variable 'NOPE' not found"),
    ("output_dir=${nowhere}", "output_dir='${nowhere}': Interpolation key 'nowhere' not found"),
    ("trainer.max_epochs=${nowhere}", "trainer.max_epochs='${nowhere}': Interpolation key 'nowhere' not found"),
    ("data.batch_size=???", "data.batch_size='???': Missing mandatory value"),
    ("model.net.width=${data.batchsize}", "model.net.width='${data.batchsize}': Interpolation key 'data.batchsize' not found"),
    ("callbacks.checkpoint.filename=${nope}", "callbacks.checkpoint.filename='${nope}': Interpolation key 'nope' not found"),
    ("+param_groups.rules.b={match:{type:bias},lr:'${nope}'}", "param_groups.rules.b.lr='${nope}': Interpolation key 'nope' not found"),
    ("task_name=${nowhere}", "Interpolation key 'nowhere' not found"),
    ("task_name=???", "Missing mandatory value: task_name"),
]

# What Hydra builds: before 1.3.4, which brought the blocklist, it runs what it is given.
HYDRAS_BLOCKLIST = [
    ("+callbacks.x._target_=builtins.exec", "callbacks.x: "),
    ("data._target_=os.system", "data: "),
    (("data.batch_size={_target_:os.system,command:'touch canary'}",), "data.batch_size"),
    ("model._target_=os.system", "model: "),
    ("model.net._target_=os.system", "model.net: "),
    (("model.net.width={_target_:os.system,command:'touch canary'}",), "model.net.width"),
    ("trainer._target_=subprocess.Popen", "trainer: "),
    (("+trainer.profiler={_target_:os.system,command:'touch canary'}",), "trainer.profiler"),
    ("logger.csv._target_=os.system", "logger.csv: "),
    (("logger.csv.prefix={_target_:os.system,command:'touch canary'}",), "logger.csv.prefix"),
    (("+hydra.callbacks.x={_target_:os.system,command:'touch canary'}",), "hydra.callbacks.x"),
]

HOSTILE = [
    ("optimizer._target_=os.system", "optimizer._target_=os.system: not a torch.optim.Optimizer subclass (it is a builtin function)"),
    (("optimizer._target_=os.system", "+optimizer.command='touch canary'"), "optimizer._target_=os.system: not a torch.optim.Optimizer subclass"),
    ("optimizer._target_=subprocess.Popen", "optimizer._target_=subprocess.Popen: not a torch.optim.Optimizer subclass (it is the class Popen)"),
    ("optimizer._target_=builtins.eval", "optimizer._target_=builtins.eval: not a torch.optim.Optimizer subclass"),
    ("optimizer._target_=torch.load", "optimizer._target_=torch.load: not a torch.optim.Optimizer subclass"),
    ("optimizer._target_=torch.hub.load", "optimizer._target_=torch.hub.load: not a torch.optim.Optimizer subclass"),
    ("optimizer._target_=importlib.import_module", "optimizer._target_=importlib.import_module: not a torch.optim.Optimizer subclass"),
    ("optimizer._target_=functools.partial", "optimizer._target_=functools.partial: not a torch.optim.Optimizer subclass"),
    ("optimizer._target_=pathlib.Path.write_text", "optimizer._target_=pathlib.Path.write_text: not a torch.optim.Optimizer subclass"),
    ("optimizer._target_=os.system ++optimizer._partial_=false", "optimizer._target_=os.system: not a torch.optim.Optimizer subclass"),
    ("optimizer._target_=os.system +optimizer._args_=[ls]", "optimizer._args_: positional arguments are not taken"),
    ("optimizer._target_=os.system +optimizer._recursive_=true", "optimizer._target_=os.system: not a torch.optim.Optimizer subclass"),
    (("optimizer.lr={_target_:os.system,command:'touch canary'}",), "optimizer.lr"),
    (("optimizer.betas=[{_target_:builtins.exec,source:'1'},0.9]",), "optimizer.betas"),
    (("+optimizer.x={_target_:os.system,command:'touch canary'}",), "optimizer.x"),
    ("scheduler._target_=os.system", "scheduler._target_=os.system: not a torch.optim.lr_scheduler.LRScheduler subclass"),
    ("scheduler.main.shape=os.system", "scheduler.main.shape"),
    (("scheduler.main.shape=subprocess.Popen", "+scheduler.main.args='touch canary'"), "scheduler.main.shape='subprocess.Popen': not a schedule factory"),
    (("scheduler.warmup.shape={_target_:os.system,command:'touch canary'}",), "scheduler.warmup.shape"),
    (("+scheduler.main.end_factor={_target_:os.system,command:'touch canary'}",), "scheduler.main.end_factor"),
    (("+param_groups.rules.b={match:{type:bias},lr:{_target_:os.system,command:'touch canary'}}",), "param_groups.rules.b.lr"),
    (("+param_groups._target_=os.system",), "param_groups._target_"),
    ("optim_callbacks=schedule_report optim_callbacks.schedule_report._target_=os.system", "optim_callbacks.schedule_report._target_=os.system: not a lightning"),
    (("+optim_callbacks.x={_target_:subprocess.run,args:'touch canary',shell:true}",), "optim_callbacks.x._target_=subprocess.run: not a lightning"),
    ("-m hydra.launcher._target_=os.system optimizer=adamw,sgd", "Invalid plugin 'os.system'"),
    ("-m hydra.sweeper._target_=os.system optimizer=adamw,sgd", "Invalid plugin 'os.system'"),
    *([] if older("hydra-core", "1.3.4") else HYDRAS_BLOCKLIST),
]

HYDRA = [
    ("optimizer=adamww", "Could not find 'optimizer/adamww'"),
    ("optimizer.lrr=1", "Key 'lrr' is not in struct"),
    ("scheduler=cosin", "Could not find 'scheduler/cosin'"),
    ("param_groups=no_dekay", "Could not find 'param_groups/no_dekay'"),
    ("optim_callbacks=swatz", "Could not find 'optim_callbacks/swatz'"),
    ("data=digit", "Could not find 'data/digit'"),
    ("trainer=tpus", "Could not find 'trainer/tpus'"),
    ("logger=[csv,wandbb]", "Could not load 'logger/wandbb'"),
    ("optimzer=adamw", "Could not override 'optimzer'"),
    ("optimizer=adam,sgd", "Ambiguous value for argument 'optimizer=adam,sgd'"),
    ("optimizer.betas=[0.9", "optimizer.betas=[0.9"),
    ("optimizer.betas={a:1}", "optimizer.betas={a:1}"),
    ("optimizer", "optimizer"),
    ("=3", "=3"),
    ("optimizer.lr=${", "optimizer.lr=${"),
    ("optimizer.lr=a=b=c", "optimizer.lr=a=b=c"),
    ("data=[1]", "data=[1]"),
    ("~nonsense", "nonsense"),
    ("+optimizer=sgd", "optimizer"),
    ("hydra.run.dir=/dev/null/x", "/dev/null/x"),
    ("hydra/launcher=joblibb", "hydra/launcher/joblibb"),
    ("--config-name=nope", "nope"),
    ("--nonsense", "unrecognized arguments: --nonsense"),
]

SWEEPS = [
    ("-m optimizer.lr=-1,-2", "optimizer.lr=-1.0: AdamW refused it"),
    ("-m optimizer=adamw,adamww", "adamww", 1),
    ("-m optimizer=null,adamw", "-m optimizer=null,adamw: "),
    ("-m optimizer.lr=range(abc)", "optimizer.lr=range(abc)"),
    ("-m scheduler.warmup.steps=1.5,2.5", "scheduler.warmup=1.5: neither a share below 1"),
    ("-m task_name=../a,../b", "task_name='../a': names a folder under logs/"),
]
