#!/usr/bin/python3
"""Makes the golden TorchScript archives beside this file.

    python3 make_models.py [FOLDER]

Run it with each PyTorch whose archives shall be tested (Debian's python3-torch
1.13, a pip torch 2.x): every file name ends in the version that saved it.
What each archive is for stands in its class or function. The archives are
committed, because the tests must not need Python.
"""

import pathlib
import sys

import torch
from torch import nn

VERSION = "torch" + ".".join(torch.__version__.split("+")[0].split(".")[:2])


class Mlp(nn.Module):
    """30-16-2, the demo's model for the Wisconsin breast cancer data."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x):
        return self.layers(x)


class Regression(nn.Module):
    """4-1 with an output of shape [B, 1]: mse and bce_with_logits."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 1)

    def forward(self, x):
        return self.linear(x)


class Cnn(nn.Module):
    """1x28x28 to 10 classes, with BatchNorm (integer buffers) and dropout."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.25)
        self.out = nn.Linear(8 * 7 * 7, 10)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.norm(self.conv1(x))), 2)
        x = torch.relu(self.conv2(x))
        return self.out(self.drop(torch.flatten(x, 1)))


class Attention(nn.Module):
    """Self-attention written out over 30 features as tokens; any version runs it."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        self.position = nn.Parameter(torch.randn(30, 8) * 0.1)
        self.qkv = nn.Linear(8, 24)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        t = self.embed(x.unsqueeze(-1)) + self.position
        q, k, v = self.qkv(t).chunk(3, dim=-1)
        weights = torch.softmax(torch.matmul(q, k.transpose(-2, -1)) / 8.0**0.5, dim=-1)
        t = self.norm(t + torch.matmul(weights, v))
        return self.out(t.mean(dim=1))


class Transformer(nn.Module):
    """nn.TransformerEncoderLayer: scripted by 2.x it may want newer operators."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.encoder(self.embed(x.unsqueeze(-1))).mean(dim=1))


class Recurrent(nn.Module):
    """A GRU over the features, and an embedding table."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(30, 4)
        self.gru = nn.GRU(5, 8, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        places = self.table(torch.arange(x.size(1))).unsqueeze(0).expand(x.size(0), -1, -1)
        states, _ = self.gru(torch.cat([x.unsqueeze(-1), places], dim=-1))
        return self.out(states[:, -1])


class Tied(nn.Module):
    """Two names for one weight: refused by name."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(30, 30, bias=False)
        self.second = nn.Linear(30, 30, bias=False)
        self.second.weight = self.first.weight
        self.out = nn.Linear(30, 2)

    def forward(self, x):
        return self.out(self.second(torch.relu(self.first(x))))


class FromFile(nn.Module):
    """Reads a file of the machine that runs it: refused."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(30, 2)

    def forward(self, x):
        stolen = torch.from_file("/etc/passwd", False, 4, dtype=torch.uint8)
        return self.out(x) + stolen.sum()


class FromFileInSetstate(nn.Module):
    """The same while it is loaded, before any check of the graph can see it."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(30, 2)

    @torch.jit.export
    def __getstate__(self):
        return self.out.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        stolen = torch.from_file("/etc/passwd", False, 4, dtype=torch.uint8)
        self.out.weight = state[0] + stolen.sum()
        self.training = state[1]

    def forward(self, x):
        return x


class Endless(nn.Module):
    """Never comes back: the time limit ends it."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(30, 2)

    def forward(self, x):
        y = self.out(x)
        while bool(y.sum() < float("inf")):
            y = y * 1.0
        return y


class Hog(nn.Module):
    """Asks for 4 TiB: out of memory, not a crash."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(30, 2)

    def forward(self, x):
        return self.out(x) + torch.zeros([1 << 40]).sum()


class WrongShape(nn.Module):
    """Three logits where the plan has two classes."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(30, 3)

    def forward(self, x):
        return self.out(x)


class Printing(nn.Module):
    """print() could carry data to a log: refused."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(30, 2)

    def forward(self, x):
        print(x)
        return self.out(x)


class HiddenFromFile(nn.Module):
    """The forbidden call sits in a function that a branch of a submodule calls."""

    def __init__(self):
        super().__init__()
        self.inner = HiddenInner()

    def forward(self, x):
        return self.inner(x)


@torch.jit.script
def _helper(x: torch.Tensor) -> torch.Tensor:
    return torch.from_file("/etc/passwd", False, 4, dtype=torch.float32).sum() + x


class HiddenInner(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(30, 2)

    def forward(self, x):
        if bool(x.sum() > 1e30):
            for _ in range(3):
                x = _helper(x)
        return self.out(x)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    row, image = torch.randn(2, 30), torch.randn(2, 1, 28, 28)

    def save(archive, name):
        # Through a buffer, so that the name of the file is not in the archive.
        with open(folder / f"{name}.{VERSION}.pt", "wb") as out:
            torch.jit.save(archive, out)

    def make(model, example=None, seed=1):
        torch.manual_seed(seed)
        built = model()
        if example is None:
            return torch.jit.script(built)
        return torch.jit.trace(built.eval(), example)

    save(make(Mlp), "mlp.script")
    save(make(Mlp, seed=2), "mlp_other_weights.script")
    save(make(Mlp, row), "mlp.trace")
    save(make(Cnn), "cnn.script")
    save(make(Cnn, image), "cnn.trace")
    save(make(Attention), "attention.script")
    save(make(Attention, row), "attention.trace")
    save(make(Transformer), "transformer.script")
    save(make(Recurrent), "gru.script")
    save(make(Regression), "regression.script")
    save(make(Tied), "tied.script")
    save(make(Mlp).half(), "half.script")
    save(make(Mlp).double(), "double.script")
    save(torch.jit.freeze(make(Mlp).eval()), "frozen.script")
    save(make(WrongShape), "wrong_shape.script")
    if VERSION == "torch1.13":
        for evil in (FromFile, HiddenFromFile, Endless, Hog, Printing):
            save(make(evil), "evil_" + evil.__name__.lower() + ".script")
        save(make(FromFileInSetstate), "evil_setstate.script")


if __name__ == "__main__":
    main()
