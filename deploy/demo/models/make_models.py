#!/usr/bin/env python3
"""Makes the demonstration's PyTorch models, as an owner would.

Run with any PyTorch from 1.13 on: python3 deploy/demo/models/make_models.py
The committed files were made with Debian's python3-torch 1.13.1.
"""

import pathlib

import torch
from torch import nn


class Tabular(nn.Module):
    """30 standardised features of a tumour -> logits of [benign, malignant]."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Garments(nn.Module):
    """1x28x28 pixels -> logits of ten kinds of garment."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(16 * 7 * 7, 32), nn.ReLU(),
                                  nn.Linear(32, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def main() -> None:
    here = pathlib.Path(__file__).parent
    torch.manual_seed(1)
    torch.jit.script(Tabular(30, 2)).save(str(here / "wdbc.pt"))
    torch.jit.script(Garments()).save(str(here / "garments.pt"))
    torch.jit.script(Tabular(12, 2)).save(str(here / "pbc3.pt"))


if __name__ == "__main__":
    main()
