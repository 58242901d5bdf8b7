"""The prior as networks of a recipe, and as files: weights, a card, and how to read them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.protocols import Codec
from isopleth.core.weights import load_weights, save_weights
from isopleth.nets.dit import DiT, DiTConfig
from isopleth.nets.unet import UNet, UNetConfig
from isopleth.priors.background_latent import ErrorLatents, StateLatents
from isopleth.priors.background_regression import BackgroundRegression
from isopleth.priors.conditional import ConditionalDenoiser
from isopleth.priors.eof_codec import EofCodec
from isopleth.systems.losda.recipe import Eofs, Recipe

__all__ = ["build_denoiser", "build_regression", "keep", "load_prior", "orthonormal"]


def build_regression(recipe: Recipe, spread: Tensor, static: Tensor) -> BackgroundRegression:
    """The untrained regression of a recipe, seeded by its training: it says (x_b, s_0).

    Args:
        recipe: With latents of errors.
        spread: `s_0`, (channel, lat, lon).
        static: Fields (n, lat, lon) of order one.

    Raises:
        InputError: If the recipe has latents of states, or as `BackgroundRegression`.
    """
    if not isinstance(recipe.latents, Eofs):
        raise InputError(f"{recipe.name} has latents of states: it needs no regression.")
    torch.manual_seed(recipe.latents.training.seed)
    channel = spread.shape[0]
    sizes = replace(
        recipe.latents.regression,
        in_channels=channel + recipe.extra,
        out_channels=2 * channel,
        condition_channels=len(static) + channel,
    )
    return BackgroundRegression(
        UNet(sizes), spread, static, extra=recipe.extra, mixed=recipe.mixed
    )


def build_denoiser(recipe: Recipe, latents: ErrorLatents | StateLatents) -> ConditionalDenoiser:
    """The untrained denoiser of a recipe, seeded by its training: that of N(0, I)."""
    torch.manual_seed(recipe.training.seed)
    channel, told = latents.channels
    sizes = replace(
        recipe.net, in_channels=2 * channel, out_channels=channel, condition_channels=told
    )
    return ConditionalDenoiser(_net(sizes), latents, mixed=recipe.mixed)


@torch.no_grad()
def orthonormal(codec: EofCodec) -> EofCodec:
    """The same codec with modes made orthonormal again, after rounding say; changed in place.

    Gram-Schmidt in the codec's weights, the first mode first, by the Cholesky factor of their
    products. Without it `E(D(z))` would not be z, least so in the modes of little variance.
    """
    V, w = codec.modes.double().flatten(1), codec.weights.double().flatten()
    L = torch.linalg.cholesky((V * w) @ V.mT)
    codec.modes.copy_(torch.linalg.solve_triangular(L, V, upper=False).view_as(codec.modes))
    return codec


def keep(
    denoiser: ConditionalDenoiser,
    recipe: Recipe,
    place: Path,
    facts: Mapping[str, Any],
    *,
    dtype: torch.dtype | None = torch.float16,
) -> Path:
    """Write latents, networks and a card into a folder.

    Args:
        denoiser: With its final weights.
        recipe: That it was made by.
        place: Folder.
        facts: what, grid, variables, data, seed, commit, device, wall_time_s, metrics, licence
            and limits, see `core.weights.save_weights`.
        dtype: Of the numbers in the file; None = as they are.

    Returns:
        Path of the card.
    """
    card = {"config": _config(denoiser), "recipe": _plain(asdict(recipe)), **facts}
    return save_weights(denoiser, Path(place), recipe.name, card, dtype)


def load_prior(path: Path, codec: Codec | None = None) -> ConditionalDenoiser:
    """The prior that `keep` wrote; not to be trained on.

    Args:
        path: Of the card or the weights.
        codec: For latents of states, a module like the one the prior was made with.

    Raises:
        DataMissingError: If a file is not there.
        IntegrityError: If a file is damaged or not the card's.
        InputError: If the prior has latents of states and no codec is given.
    """
    denoiser = load_weights(path, lambda config: _built(config, codec)).requires_grad_(False)
    if isinstance(denoiser.latents, ErrorLatents):
        orthonormal(denoiser.latents.codec)
    return denoiser


def _net(sizes: UNetConfig | DiTConfig) -> nn.Module:
    return UNet(sizes) if isinstance(sizes, UNetConfig) else DiT(sizes)


def _sizes(net: nn.Module) -> dict[str, Any]:
    if isinstance(net, UNet):
        return {"unet": _plain(asdict(net.config))}
    if isinstance(net, DiT):
        return {"transformer": _plain(asdict(net.config))}
    raise InputError(f"a network {type(net).__name__} has no card: use a UNet or a DiT.")


def _config(denoiser: ConditionalDenoiser) -> dict[str, Any]:
    """What `_built` needs."""
    latents = denoiser.latents
    if isinstance(latents, ErrorLatents):
        regression, codec = latents.regression, latents.codec
        kind = {
            "errors": {
                "state": list(regression.state_shape),
                "static": len(regression.features) - regression.state_shape[0],
                "extra": regression.extra,
                "modes": len(codec.modes),
                "left": codec.left,
                "total": codec.total,
                "regression": _sizes(regression.net),
            }
        }
    elif isinstance(latents, StateLatents):
        kind = {
            "states": {
                "latent": list(latents.latent_shape),
                "rows": len(latents.area),
                "channel": latents.channel,
                "extra": latents.extra,
            }
        }
    else:
        raise InputError(f"latents {type(latents).__name__} have no card: use those of `priors`.")
    return {**kind, "net": _sizes(denoiser.net), "sigma_data": denoiser.sigma_data}


def _built(config: Mapping[str, Any], codec: Codec | None) -> ConditionalDenoiser:
    latents: ErrorLatents | StateLatents
    if "errors" in config:
        latents = _blank_errors(config["errors"])
    elif codec is None:
        raise InputError("the prior has latents of states: give the codec that it was made with.")
    else:
        told = config["states"]
        latents = StateLatents(
            codec, torch.ones(told["rows"]), told["channel"], tuple(told["latent"]),
            extra=told["extra"],
        )  # fmt: skip
    net = _net(_read_sizes(config["net"]))
    return ConditionalDenoiser(net, latents, sigma_data=config["sigma_data"])


def _read_sizes(config: Mapping[str, Any]) -> UNetConfig | DiTConfig:
    if "unet" in config:
        return UNetConfig(**config["unet"])
    return DiTConfig(**config["transformer"])


def _blank_errors(config: Mapping[str, Any]) -> ErrorLatents:
    state, modes = tuple(config["state"]), config["modes"]
    static = torch.zeros(config["static"], *state[1:])
    regression = BackgroundRegression(
        _net(_read_sizes(config["regression"])), torch.ones(state), static, extra=config["extra"]
    )
    codec = EofCodec(
        torch.zeros(state), torch.zeros(modes, *state), torch.ones(modes), torch.ones(()),
        left=config["left"], total=config["total"],
    )  # fmt: skip
    return ErrorLatents(regression, codec, torch.zeros(state))


def _plain(value: Any) -> Any:
    """What JSON can hold: infinite seconds are no seconds, a method is the name of its object."""
    if callable(value):
        return repr(getattr(value, "__self__", value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if value == float("inf") else value
