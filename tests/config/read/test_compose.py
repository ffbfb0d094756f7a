from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra

import lit_optim


def test_compose_works_beside_a_running_app():
    with initialize_config_module("lit_optim.conf", version_base="1.3"):
        running = GlobalHydra.instance().hydra
        cfg = lit_optim.compose(["optimizer=sgd", "scheduler=warmup_step", "param_groups=no_decay", "optimizer.lr=0.7"])
        assert GlobalHydra.instance().hydra is running
        assert compose(overrides=["+optimizer=adam"]).optimizer.lr == 1e-3
    assert cfg.optimizer.lr == 0.7
    lit_optim.validate(cfg)
    assert lit_optim.compose().optimizer.betas == [0.9, 0.999]
