"""Where an autoencoder starts: a linear one that is solved for, not trained.

Encoder: principal components of patches. Decoder: the linear map from the latents of a patch and
its eight neighbours that reconstructs it best. Both are the smallest squares of their kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.globe import pad_globe
from isopleth.nets.layers import PeriodicConv2d

__all__ = ["PatchStart", "as_identity"]

_LOG_VARIANCE = -9.0
"""Of the posterior at the start: 1 % of a latent's standard deviation."""

_RIDGE = 1e-7
"""Share of the mean variance that neighbours' latents, nearly dependent, are regularised by."""

_NO_VARIANCE = 1e-9


@dataclass(frozen=True, eq=False)
class PatchStart:
    """`z = V' c / s` for the cells c of a patch, and `c ~ sum_n up_n z_n` over 3x3 patches n.

    Args:
        down: V' / s, shape (latents, inside): latents have variance 1.
        up: Shape (inside, latents, 3, 3), as of a convolution.
    """

    down: Tensor
    up: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, cells: Tensor, share: Tensor, latents: int, room: int) -> PatchStart:
        """Solve both problems.

        Args:
            cells: Patches as channels, (n, inside, rows, columns), of mean about 0.
            share: Weights of all of these, (1, inside, rows, columns), not negative.
            latents: Numbers that describe a patch.
            room: Channels of the network that hand on the cells of a patch.

        Raises:
            InputError: a patch has more cells than there is room, fewer than latents, or varies
                in fewer directions.
        """
        inside = cells.shape[1]
        if not latents <= inside <= room:
            raise InputError(
                f"patches of {inside} cells do not start a network of {latents} latent channels "
                f"and room for {room}: widen it, or take fewer latent channels."
            )
        weights = share.mean(1, keepdim=True)
        flat = _columns(cells, weights)
        total = weights.double().sum() * len(cells)
        values, vectors = torch.linalg.eigh(flat @ flat.mT / total)
        values, vectors = values[-latents:], vectors[:, -latents:]
        if not bool(values[0] > _NO_VARIANCE * values[-1]):
            raise InputError(
                f"patches vary in fewer than {latents} directions: show more states, or take "
                "fewer latent channels."
            )
        down = (vectors / values.sqrt()).mT.to(cells)
        z = torch.einsum("kc,ncij->nkij", down, cells)
        around = _columns(_neighbours(z), weights)
        gram = around @ around.mT
        gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
        up = torch.linalg.solve(gram, around @ flat.mT).mT
        return cls(down, up.unflatten(1, (latents, 3, 3)).to(cells))

    @torch.no_grad()
    def give(self, head: nn.Conv2d | nn.Linear, root: PeriodicConv2d) -> None:
        """Write them into the last layer of an encoder and the first of a decoder.

        Args:
            head: From channels, the first of which are cells, to means and log variances.
            root: 3x3, from latents to channels, the first of which are cells.
        """
        latents, inside = self.down.shape
        head.weight.zero_()
        head.weight[:latents, :inside] = self.down.reshape(latents, inside, *head.weight.shape[2:])
        root.weight[:inside] = self.up
        for layer in (head, root):
            if layer.bias is not None:
                layer.bias.zero_()
        if head.bias is not None:
            head.bias[latents:] = _LOG_VARIANCE


@torch.no_grad()
def as_identity(layer: nn.Conv2d | nn.Linear) -> None:
    """Let the first outputs of a layer be its first inputs; what is more of them stays random."""
    keep = min(layer.weight.shape[:2])
    middle = layer.weight.shape[-1] // 2
    layer.weight[:keep] = 0.0
    for k in range(keep):
        place = (k, k, middle, middle) if layer.weight.ndim == 4 else (k, k)
        layer.weight[place] = 1.0
    if layer.bias is not None:
        layer.bias[:keep] = 0.0


def _columns(field: Tensor, weights: Tensor) -> Tensor:
    """(n, c, rows, columns) times the root of weights, as (c, all places), in double precision."""
    return (field * weights.sqrt()).transpose(0, 1).flatten(1).double()


def _neighbours(z: Tensor) -> Tensor:
    """(n, k, rows, columns) to (n, 9 k, rows, columns), as a convolution sees them."""
    seen = functional.unfold(pad_globe(z, (1, 1), (1, 1)), 3)
    return seen.unflatten(-1, z.shape[-2:])
