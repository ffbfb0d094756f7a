"""Rules cross key by key: compared with a slow reference that reads the contract's sentence, and with literals by hand."""

import fnmatch
import itertools
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lit_optim
from lit_optim import ConfigError
from lit_optim.config.resolve import resolve_specs

LR, DECAY = 0.5, 0.25


class Net(nn.Module):
    """A stem, two blocks, a head: what the pairs of rules below cross."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(2, 2)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)) for _ in range(2)])
        self.head = nn.Linear(2, 2)


RULES = {
    "head": {"match": {"module": "head"}, "lr": "x10"},
    "no_decay": {"match": {"type": ["norm", "bias"]}, "weight_decay": 0},
    "schedule": {"match": {"name": "*.1.*"}, "schedule": "constant"},
    "freeze": {"match": {"module": "stem"}, "freeze": True},
    "absolute": {"match": {"ndim": "<2"}, "lr": 0.125, "betas": [0.5, 0.5]},
}
HALFWAY = 5, 10  # of a cosine: factor 0.5


def by_hand(name, chosen):
    """(trained, lr at half of the run, decay, betas) of a parameter."""
    norm = name.startswith("blocks") and name.split(".")[2] == "1"
    vector = norm or name.endswith("bias")
    lr, decay, betas = LR, DECAY, (0.9, 0.999)
    for rule in chosen:
        if rule == "head" and name.startswith("head"):
            lr = LR * 10
        if rule == "absolute" and vector:
            lr, betas = 0.125, (0.5, 0.5)
        if rule == "no_decay" and vector:
            decay = 0.0
    constant = "schedule" in chosen and ".1." in name
    return not ("freeze" in chosen and name.startswith("stem")), lr * (1 if constant else 0.5), decay, betas


@pytest.mark.parametrize("chosen", [c for n in (1, 2, 5) for c in itertools.permutations(RULES, n)][:60])
def test_every_pair_of_rules_gives_the_product(chosen):
    net = Net()
    rules = {name: RULES[name] for name in chosen}
    optimizer = lit_optim.build_optimizer(
        "adamw", net, param_groups={"rules": rules}, lr=LR, weight_decay=DECAY, betas=[0.9, 0.999]
    )
    scheduler = lit_optim.build_scheduler("cosine", optimizer, total_steps=HALFWAY[1])
    for _ in range(HALFWAY[0]):
        optimizer.step()
        scheduler.step()
    groups = {p: group for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(groups)
    for name, p in net.named_parameters():
        trained, *values = by_hand(name, chosen)
        assert p.requires_grad == trained
        assert (p in groups) == trained
        if trained:
            group = groups[p]
            assert [pytest.approx(group["lr"]), group["weight_decay"], group["betas"]] == values
            parts = set(group.get("name", "default").split("/")) - {"default"}
            assert parts <= {*chosen}
    names = [group["name"] for group in optimizer.param_groups if "name" in group]
    assert len({*names}) == len(names)
    assert all(name.split("/") == sorted(name.split("/")) for name in names)  # in alphabetical order


def test_groups_with_equal_values_merge_unless_a_schedule_drives_one_of_them():
    rules = {
        "norms": {"match": {"type": "norm"}, "weight_decay": 0.0},
        "biases": {"match": {"type": "bias"}, "weight_decay": 0.0},
    }

    def names_and_sizes(param_groups, scheduler="none"):
        specs = {"optimizer": "adamw", "param_groups": param_groups, "scheduler": scheduler}
        groups = resolve_specs(specs).build_optimizer(Net()).param_groups
        return [(group["name"], len(group["params"])) for group in groups]

    assert names_and_sizes({"rules": rules}) == [("default", 4), ("biases/norms", 8)]
    driven = {"main": {"shape": "cosine"}, "groups": {"norms": "constant"}}
    assert names_and_sizes({"rules": rules}, driven) == [
        ("default", 4),
        ("biases/norms", 4),
        ("biases", 4),
    ]
    scheduled = {**rules, "norms": {**rules["norms"], "schedule": "constant"}}
    assert names_and_sizes({"rules": scheduled}) == [("default", 4), ("biases/norms", 4), ("biases", 4)]


def test_a_later_schedule_wins_and_those_of_the_scheduler_beat_those_of_rules():
    rules = {
        "head": {"match": {"module": "head"}, "schedule": "constant"},
        "biases": {"match": {"type": "bias"}, "schedule": {"main": {"shape": "linear"}}},
    }
    net = Net()
    optimizer = lit_optim.build_optimizer("sgd", net, param_groups={"rules": rules}, lr=1.0)
    scheduler = lit_optim.build_scheduler("cosine", optimizer, total_steps=4)
    optimizer.step()
    scheduler.step()
    lrs = {group["name"]: round(group["lr"], 4) for group in optimizer.param_groups}
    assert lrs == {"default": 0.8536, "biases": 0.75, "head": 1.0, "biases/head": 0.75}
    optimizer = lit_optim.build_optimizer("sgd", Net(), param_groups={"rules": rules}, lr=1.0)
    scheduler = lit_optim.build_scheduler("cosine", optimizer, total_steps=4, groups={"biases": "constant"})
    optimizer.step()
    scheduler.step()
    lrs = {group["name"]: round(group["lr"], 4) for group in optimizer.param_groups}
    assert lrs["biases"] == lrs["head"] == 1.0


def test_the_schedule_of_a_rule_is_a_spec_in_any_form():
    def lrs(schedule):
        rules = {"rules": {"head": {"match": {"module": "head"}, "schedule": schedule}}}
        optimizer = lit_optim.build_optimizer("sgd", Net(), param_groups=rules, lr=1.0)
        scheduler = lit_optim.build_scheduler("constant", optimizer, total_steps=4)
        found = []
        for _ in range(4):
            found.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
        return found

    composed = lit_optim.compose(["scheduler=warmup_linear", "scheduler.warmup.steps=2"]).scheduler
    slots = {"warmup": 2, "main": {"shape": "linear"}}
    assert lrs(composed) == lrs({"_target_": "warmup_linear", "warmup": 2}) == lrs(slots)
    assert lrs(slots) == [[1, 0.5], [1, 1], [1, 1], [1, 0.5]]
    with pytest.raises(ConfigError, match=r"rules.head.schedule._target_='torch\S+StepLR': single groups have no"):
        lrs({"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1})


def test_a_rule_of_frozen_parameters_may_have_a_schedule():
    rules = {"stem": {"match": {"module": "stem"}, "freeze": True, "schedule": "constant"}}
    optimizer = lit_optim.build_optimizer("sgd", Net(), param_groups={"rules": rules})
    lit_optim.build_scheduler("cosine", optimizer, total_steps=4)
    assert len(optimizer.param_groups) == 1


def test_a_later_rule_takes_a_freeze_back():
    rules = {
        "all": {"match": {"ndim": ">=0"}, "freeze": True},
        "head": {"match": {"module": "head"}, "freeze": False},
    }
    net = Net()
    lit_optim.build_optimizer("sgd", net, param_groups={"rules": rules})
    assert {name for name, p in net.named_parameters() if p.requires_grad} == {"head.weight", "head.bias"}


def test_values_that_parameters_declare():
    net = Net()
    net.stem.weight._optim = {"lr": 1e-3, "weight_decay": 0.0}
    net.stem.bias._optim = {"lr": 1e-4}
    rules = [{"match": {"declared": "_optim"}, "name": "ssm"}]
    groups = lit_optim.build_optimizer("adamw", net, param_groups=rules, lr=LR, weight_decay=DECAY).param_groups
    shown = [(g["name"], g["lr"], g["weight_decay"], len(g["params"])) for g in groups]
    assert shown == [("default", LR, DECAY, 10), ("ssm", 1e-3, 0.0, 1), ("ssm/2", 1e-4, DECAY, 1)]
    net.stem.bias._optim = {"lrr": 1e-4}
    with pytest.raises(ConfigError, match="stem.bias._optim.lrr=0.0001: AdamW has no 'lrr'; did you mean 'lr'"):
        lit_optim.build_optimizer("adamw", net, param_groups=rules)


BAD = [
    ({"head": {"match": {"module": "head"}, "lr": "10x"}}, "param_groups.rules.head.lr='10x': a factor is written x0.5"),
    ({"head": {"match": {"module": "head"}, "lr": "x-1"}}, "param_groups.rules.head.lr='x-1': a factor is written x0.5"),
    ({"head": {"match": {"module": "head"}, "lr": -1}}, "param_groups.rules.head.lr=-1"),
    ({"head": {"match": {"module": "head"}, "betas": "x2"}}, "AdamW has no number 'betas' to multiply"),
    ({"head": {"match": {"module": "head"}, "frozen": True}}, "AdamW has no 'frozen'; did you mean 'freeze'?"),
    ({"head": {"match": {"module": "head"}, "freeze": 1}}, "param_groups.rules.head.freeze=1: write true or false"),
    ({"head": {"match": {"module": "head"}, "schedule": "cosin"}}, "rules.head.schedule='cosin': no preset of that name; did you mean 'cosine'"),
    ({"head": {"match": {"module": "head"}, "schedule": {"mian": 1}}}, "rules.head.schedule.mian=1: no such key; did you mean 'main'"),
    ({"a/b": {"match": {"module": "head"}}}, "a name without '/'"),
    ({"default": {"match": {"module": "head"}}}, "a name that another group has"),
    ({"all": {"match": {"ndim": ">=0"}, "freeze": True}}, "nothing to train: rules freeze 12 of 12"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "message"), BAD)
def test_wrong_rules(rules, message):
    with pytest.raises(ConfigError) as caught:
        resolve_specs({"optimizer": "adamw", "scheduler": "cosine", "param_groups": {"rules": rules}}).build_optimizer(
            Net()
        )
    assert message in str(caught.value)


def test_rules_with_a_schedule_need_a_schedule_by_groups():
    rules = {"rules": {"head": {"match": {"module": "head"}, "schedule": "constant"}}}
    foreign = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 2}
    with pytest.raises(ConfigError, match="param_groups.rules.head.schedule: .*StepLR has one schedule for all groups"):
        lit_optim.validate({"optimizer": "adamw", "scheduler": foreign, "param_groups": rules})


OVERRIDES = [
    (["param_groups=[no_decay,head_x10]"], {"no_decay", "head"}, "x10"),
    (["param_groups=[head_x10,no_decay]", "param_groups.rules.head.lr=x20"], {"no_decay", "head"}, "x20"),
    (["param_groups=[no_decay,head_x10]", "~param_groups.rules.no_decay"], {"head"}, "x10"),
    (["param_groups=head_x10", "param_groups.rules.head.match.any=[{module: body}]"], {"head"}, "x10"),
    (["param_groups=no_decay", "+param_groups.rules.head={match: {module: body}, lr: x0.5}"], {"no_decay", "head"}, "x0.5"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "names", "lr"), OVERRIDES)
def test_rules_compose_on_the_command_line(overrides, names, lr):
    config = lit_optim.compose(overrides=["optimizer=adamw", *overrides])
    assert {*config.param_groups.rules} == names
    assert config.param_groups.rules.head.lr == lr
    lit_optim.validate(config)


# a random model, random rules, and the contract's sentence: every rule that matches a parameter contributes, and where
# two set the same key the later one wins; what no rule sets is the optimizer's

LAYERS = {
    "linear": lambda: nn.Linear(2, 3),
    "norm": lambda: nn.LayerNorm(2),
    "conv": lambda: nn.Conv1d(2, 2, 1),
    "table": lambda: nn.Embedding(3, 2),
    "bare": lambda: nn.ParameterDict({"scale": nn.Parameter(torch.ones(()))}),
}
NAMES = ["a", "ab", "enc", "enc2", "head"]
trees = st.recursive(
    st.sampled_from(sorted(LAYERS)),
    lambda kids: st.dictionaries(st.sampled_from(NAMES), kids, min_size=1),
    max_leaves=6,
)
leaves = st.one_of(
    st.sampled_from(["*", "*.weight", "*enc*", "a.*", "*.bias", "head.?*"]).map(lambda x: {"name": x}),
    st.sampled_from([*NAMES, "a.ab", "enc.head"]).map(lambda x: {"module": x}),
    st.sampled_from(["norm", "bias", "linear", "conv", "embedding"]).map(lambda x: {"type": x}),
    st.sampled_from(["<2", 2, ">=2", "0"]).map(lambda x: {"ndim": x}),
)
matches = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda x: {"all": x}),
        st.lists(inner, min_size=1, max_size=2).map(lambda x: {"any": x}),
        inner.map(lambda x: {"not": x}),
        st.tuples(leaves, leaves).map(lambda two: {**two[0], **two[1]}),
    ),
    max_leaves=3,
)
rules_of_any = st.dictionaries(
    st.sampled_from(["r1", "r2", "r3"]),
    st.fixed_dictionaries(
        {"match": matches},
        optional={
            "lr": st.sampled_from([0.125, "x10", "x0.5"]),
            "weight_decay": st.sampled_from([0.0, "x2"]),
            "freeze": st.booleans(),
        },
    ),
    max_size=3,
)


def module_of(tree):
    return LAYERS[tree]() if isinstance(tree, str) else nn.ModuleDict({k: module_of(v) for k, v in tree.items()})


def slow_match(match, name, p, owner):
    (kind, value), *others = match.items()
    if others:
        return all(slow_match({k: v}, name, p, owner) for k, v in match.items())
    classes = {"norm": nn.LayerNorm, "linear": nn.Linear, "conv": nn.Conv1d, "embedding": nn.Embedding}
    return {
        "name": lambda: fnmatch.fnmatchcase(name, value),
        "module": lambda: f"{name}.".startswith(f"{value}."),
        "type": lambda: name.endswith("bias") if value == "bias" else isinstance(owner, classes[value]),
        "ndim": lambda: eval(f"{p.ndim} {value}" if str(value)[0] in "<>" else f"{p.ndim} == {value}"),
        "all": lambda: all(slow_match(m, name, p, owner) for m in value),
        "any": lambda: any(slow_match(m, name, p, owner) for m in value),
        "not": lambda: not slow_match(value, name, p, owner),
    }[kind]()


@settings(deadline=None, max_examples=150)
@given(trees, rules_of_any)
def test_against_a_slow_reference(tree, rules):
    net = nn.ModuleDict({"top": module_of(tree)})
    expected = {}
    for name, p in net.named_parameters():
        owner = net.get_submodule(name.rpartition(".")[0])
        values = {"lr": LR, "weight_decay": DECAY, "freeze": False}
        for rule in rules.values():
            if slow_match(rule["match"], name, p, owner):
                values |= {key: value for key, value in rule.items() if key != "match"}
        for key, own in (("lr", LR), ("weight_decay", DECAY)):
            if isinstance(values[key], str):
                values[key] = own * float(values[key][1:])
        expected[name] = values
    trained = {name: values for name, values in expected.items() if not values["freeze"]}
    spec = {"rules": rules, "unmatched_rule": "warn"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not trained:
            with pytest.raises(ConfigError, match="nothing to train"):
                lit_optim.build_optimizer("adamw", net, param_groups=spec, lr=LR, weight_decay=DECAY)
            return
        groups = lit_optim.build_optimizer("adamw", net, param_groups=spec, lr=LR, weight_decay=DECAY).param_groups
    names = {p: name for name, p in net.named_parameters()}
    found = [(names[p], group["lr"], group["weight_decay"]) for group in groups for p in group["params"]]
    assert sorted(found) == sorted((name, values["lr"], values["weight_decay"]) for name, values in trained.items())
    results = [(group["lr"], group["weight_decay"], group.get("name")) for group in groups]
    assert len({*results}) == len(results)
