import hydra


@hydra.main(version_base="1.3", config_path="../configs", config_name="eval.yaml")
def main(cfg):
    datamodule = hydra.utils.instantiate(cfg.data)
    model = hydra.utils.instantiate(cfg.model)
    trainer = hydra.utils.instantiate(cfg.trainer, logger=False)
    trainer.test(model=model, datamodule=datamodule, ckpt_path=cfg.ckpt_path)
    print(f"tested: {trainer.callback_metrics['test/loss'].item():.6f}")


if __name__ == "__main__":
    main()
