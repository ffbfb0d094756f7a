import hydra
import lightning as L


def objects(cfg):
    return [hydra.utils.instantiate(entry) for entry in (cfg or {}).values()]


def train(cfg):
    L.seed_everything(cfg.seed, workers=True)
    datamodule = hydra.utils.instantiate(cfg.data)
    model = hydra.utils.instantiate(cfg.model)
    callbacks, logger = objects(cfg.get("callbacks")), objects(cfg.get("logger"))
    trainer = hydra.utils.instantiate(cfg.trainer, callbacks=callbacks, logger=logger or False)
    if cfg.get("train"):
        trainer.fit(model=model, datamodule=datamodule, ckpt_path=cfg.get("ckpt_path"))
    if cfg.get("test"):
        best = trainer.checkpoint_callback.best_model_path if trainer.checkpoint_callback else None
        trainer.test(model=model, datamodule=datamodule, ckpt_path=best or None)
        if best:
            print(f"tested the weights of {trainer.ckpt_path}")
    optimizer = trainer.optimizers[0]
    lr = optimizer.param_groups[0].get("initial_lr", optimizer.param_groups[0]["lr"])
    print(f"trained {trainer.global_step} steps with {type(optimizer).__name__} lr={lr}")
    return float(trainer.callback_metrics.get("test/loss", 0.0))


@hydra.main(version_base="1.3", config_path="../configs", config_name="train.yaml")
def main(cfg):
    return train(cfg)


if __name__ == "__main__":
    main()
