import hydra


@hydra.main(version_base="1.3", config_path="../configs", config_name="train.yaml")
def main(cfg):
    from src.models.regression import RegressionModule

    net = hydra.utils.instantiate(cfg.model.net)
    model = RegressionModule.load_from_checkpoint(cfg.path, net=net)
    print(model.hparams.optimizer["_target_"])


if __name__ == "__main__":
    main()
