import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset


class NoiseDataModule(LightningDataModule):
    def __init__(self, rows, batch_size):
        super().__init__()
        self.save_hyperparameters(logger=False)

    def loader(self):
        generator = torch.Generator().manual_seed(3)
        x = torch.randn(self.hparams.rows, 4, generator=generator)
        y = torch.randn(self.hparams.rows, 1, generator=generator)
        return DataLoader(TensorDataset(x, y), batch_size=self.hparams.batch_size)

    train_dataloader = val_dataloader = test_dataloader = loader
