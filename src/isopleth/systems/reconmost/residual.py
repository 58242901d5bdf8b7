"""Residual diffusion: what local kriging leaves unsaid about a profile, as a conditional prior.

At a point, kriging predicts every level by a Student-t, corrected by
:mod:`isopleth.systems.reconmost.residual_correction`. The Gaussianised residual ``z`` of the
levels (L numbers) has a diffusion prior given the features ``f`` of the place:

    D(x, sigma) = W x + c_out F(c_in x, W x, c_noise, f)
    W x = E[z | z + e = x],  z ~ N(0, C(f)),  e ~ N(0, diag(sigma_l^2)),  c_out^2 = its variance

with ``C`` the local correlation between levels. A level that the profile did measure is a
noiseless observation: its ``x_l`` is the value and its ``sigma_l`` is 0, so ``W`` is kriging's own
regression between levels. The network starts at 0: untrained, and with no correction, this *is*
kriging with its residual regression. The prior is asked as every prior is, ``prior(x, sigma)``,
with x of shape (member, level, 1, profile): the samplers of :mod:`isopleth.priors` draw from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isopleth.nets.mlp import ConditionalMlp, ConditionalMlpConfig
from isopleth.priors import Heun, MemberNoise, karras
from isopleth.systems.reconmost.residual_features import Features
from isopleth.systems.reconmost.residual_levels import Levels

__all__ = [
    "Net",
    "Places",
    "ResidualPrior",
    "ResidualRecipe",
    "draw",
    "ensemble",
    "fit_residual",
    "summary",
]

Floats = NDArray[np.float64]
EXACT = 1e-3  # noise level that stands for a measured level
PLACE = (
    "absolute_latitude", "log_nearby", "log_first_distance", "log_zonal_km", "log_broad_share",
    "log_nugget", "log_sharpness_of_column", "log_sharpness_top_to_bottom",
)  # fmt: skip
LEVEL = (
    "mean", "log_scale", "log_variance", "displacement", "vertical_gradient", "log_sharpness",
    "scale_of_displacement", "log_front", "anomaly_within_100_km", "residual_smoothed",
    "log_roughness", "log_spread_within_100_km", "log_disagreement",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ResidualRecipe:
    """Settings of the prior and of its training.

    Args:
        width: Of the network.
        dropout: In its hidden layers.
        feature_noise: Standard deviation of noise on the standardised features in training.
        feature_noise_hidden: The same where no level is seen: there is far less to learn then.
        steps: Of AdamW.
        batch: Profiles a step.
        rate: Learning rate at its highest.
        decay: Weight decay.
        lowest: Noise levels of the training, and of a sample's last step.
        highest: Of its first.
        hidden: Share of the training in which no level of the profile is seen.
        weight_power: Profiles count as their scale to this power.
        levels: Noise levels of a sample.
    """

    width: int = 64
    dropout: float = 0.4
    feature_noise: float = 0.25
    feature_noise_hidden: float = 0.3
    steps: int = 1200
    batch: int = 1024
    rate: float = 3e-3
    decay: float = 0.1
    lowest: float = 0.05
    highest: float = 20.0
    hidden: float = 0.4
    weight_power: float = 1.0
    levels: int = 8


@dataclass(frozen=True)
class Places:
    """What the prior is conditioned on at ``n`` profiles.

    Args:
        condition: Raw features, ``(n, F)``, from `condition_of`.
        correlation: Local correlation between levels, ``(n, L, L)``.
        seen: Gaussianised residuals of the levels measured, NaN where hidden, ``(n, L)``.
        anomaly: Anomalies of the levels measured, in units of kriging's scale, ``(n, L)``.
        sharpness: Vertical gradient of the climatology over that scale, ``(n, L)``.
        regressed: Every level from the others by local regressions, ``(n, L, R)``; see
            :mod:`isopleth.systems.reconmost.residual_levels`.
    """

    condition: Tensor
    correlation: Tensor
    seen: Tensor
    anomaly: Tensor
    sharpness: Tensor
    regressed: Tensor

    @classmethod
    def of(cls, features: Features, levels: Levels, seen: Floats, anomaly: Floats) -> Places:
        """From arrays; `anomaly` in units of kriging's scale."""
        sharpness = np.exp(-features.columns(("scale_of_displacement",))[..., 0])
        condition, regressed = condition_of(features), np.nan_to_num(levels.regressed)
        arrays = (condition, levels.correlation, seen, anomaly, sharpness, regressed)
        return cls(*(torch.from_numpy(np.asarray(array, np.float32)) for array in arrays))

    def __len__(self) -> int:
        return len(self.seen)

    def select(self, index: Tensor) -> Places:
        """Some of the profiles."""
        return Places(*(value[index] for value in vars(self).values()))

    def showing(self, seen: Tensor) -> Places:
        """The same with other levels seen."""
        return replace(self, seen=seen)

    @property
    def told(self) -> Tensor:
        """What the levels seen say of every level, (n, (2 + R) L); 0 where nothing is seen.

        Their anomalies, those that the mean displacement of the isotherms they imply makes, and,
        where one level alone is hidden, what local regressions make of the others.
        """
        shown = ~self.seen.isnan()
        anomaly = torch.where(shown, self.anomaly, 0.0)
        count = shown.sum(dim=-1, keepdim=True)
        displacement = (anomaly / self.sharpness).sum(dim=-1, keepdim=True) / count.clamp_min(1)
        implied = torch.where(count > 0, displacement * self.sharpness, 0.0)
        only = ~shown & (count == shown.shape[-1] - 1)
        regressed = torch.where(only[..., None], self.regressed, 0.0).flatten(-2)
        return torch.cat([anomaly, implied, regressed], dim=-1).clamp(-6.0, 6.0)


def condition_of(features: Features) -> NDArray[np.float32]:
    """The features that the network sees, ``(n, F)``: of the place once, of every level."""
    between = tuple(name for name in features.names if name.startswith("correlation_"))
    once = features.columns(PLACE + between)[:, 0]
    each = features.columns(LEVEL)
    return np.concatenate([once, each.reshape(len(each), -1)], axis=1).astype(np.float32)


class Net(nn.Module):
    """`D` for vectors: the Wiener filter of the local correlation and a network's correction."""

    centre: Tensor
    width: Tensor

    def __init__(self, places: Places, recipe: ResidualRecipe) -> None:
        super().__init__()
        condition, (_, levels, regressions) = places.condition, places.regressed.shape
        low, middle, high = torch.quantile(condition, torch.tensor([0.1, 0.5, 0.9]), dim=0)
        self.register_buffer("centre", middle)
        self.register_buffer("width", ((high - low) / 2.6).clamp_min(1e-3))
        self.recipe = recipe
        sizes = ConditionalMlpConfig(
            channels=(6 + regressions) * levels, out_channels=levels,
            condition=condition.shape[1], width=recipe.width, dropout=recipe.dropout,
        )  # fmt: skip
        self.mlp = ConditionalMlp(sizes)

    def embed(self, places: Places) -> Tensor:
        """What the features of the places put into the hidden layer, (n, width)."""
        f = ((places.condition - self.centre) / self.width).clamp(-3.0, 3.0)
        if self.training:
            nothing = places.seen.isnan().all(dim=-1, keepdim=True)
            noise = torch.where(
                nothing, self.recipe.feature_noise_hidden, self.recipe.feature_noise
            )
            f = f + noise * torch.randn_like(f)
        return self.mlp.embed(f)

    def forward(self, x: Tensor, sigma: Tensor, places: Places, embedded: Tensor) -> Tensor:
        """`D(x, sigma)`, shape of `x` (..., n, L); `sigma` without axes or (n,)."""
        hidden = places.seen.isnan()
        level = torch.where(hidden, sigma.reshape(-1, 1).expand_as(hidden), EXACT)
        x = torch.where(hidden, x, places.seen.nan_to_num())
        gain, error = wiener(places.correlation, level)
        W = torch.einsum("nij,...nj->...ni", gain, x)
        c_in = (1.0 + level.square()).rsqrt()
        known = torch.where(hidden, 0.0, x)
        flags = (~hidden).to(x).expand_as(x)
        told = places.told.expand(*x.shape[:-1], -1)
        F = self.mlp(
            torch.cat([torch.where(hidden, c_in * x, 0.0), W, known, flags, told], dim=-1),
            sigma.clamp_min(1e-3).log() / 4.0,
            embedded,
        )
        return torch.where(hidden, W + error * F, x)


def wiener(correlation: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Gain ``C (C + diag(level^2))^-1`` (n, L, L) and the error's standard deviation (n, L)."""
    noisy = correlation + torch.diag_embed(level.square() + EXACT**2)
    gain = torch.linalg.solve(noisy, correlation).transpose(-1, -2)
    error = correlation - gain @ correlation
    return gain, error.diagonal(dim1=-2, dim2=-1).clamp_min(1e-8).sqrt()


@dataclass(frozen=True)
class ResidualPrior:
    """`prior(x, sigma)` at given places; several networks share the members between them.

    Args:
        nets: Trained from several seeds; none is the analytic Gaussian.
        places: The profiles, the last axis of x.
    """

    nets: tuple[Net, ...]
    places: Places
    _embedded: list[Tensor] = field(default_factory=list, init=False, repr=False)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`E[z | z + sigma n = x, seen levels]`, (member, level, 1, profile).

        `sigma` has no axes. The answer is the mean over the networks: a better denoiser than one.
        """
        vectors = x[:, :, 0, :].transpose(1, 2)
        hidden = self.places.seen.isnan()
        if not self.nets:
            seen = torch.where(hidden, vectors, self.places.seen.nan_to_num())
            gain, _ = wiener(
                self.places.correlation,
                torch.where(hidden, sigma.to(x).expand_as(hidden), EXACT),
            )
            answer = torch.einsum("nij,mnj->mni", gain, seen)
            answer = torch.where(hidden, answer, seen)
        else:
            if not self._embedded:
                self._embedded.extend(net.embed(self.places) for net in self.nets)
            answers = [
                net(vectors, sigma.to(x), self.places, embedded)
                for net, embedded in zip(self.nets, self._embedded, strict=True)
            ]
            answer = torch.stack(answers).mean(dim=0)
        return answer.transpose(1, 2)[:, :, None, :]


def fit_residual(
    z: Tensor, places: Places, weight: Tensor, recipe: ResidualRecipe, seed: int
) -> Net:
    """Train one network by denoising.

    Args:
        z: Gaussianised residuals of hidden profiles, (n, L).
        places: Of the same; `seen` is not used: levels are shown at random.
        weight: Of each level, (n, L).
        recipe: Settings.
        seed: Of the network and of the noise.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Net(places, recipe)
        optimiser = torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=recipe.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, recipe.rate, total_steps=recipe.steps, pct_start=0.1
        )
        average = torch.optim.swa_utils.AveragedModel(
            net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
        )
        for _ in range(recipe.steps):
            index = torch.randint(len(z), (recipe.batch,))
            loss = _loss(net, z[index], places.select(index), weight[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            average.update_parameters(net)
    trained = average.module
    assert isinstance(trained, Net)
    return trained.eval()


def _loss(net: Net, z: Tensor, places: Places, weight: Tensor) -> Tensor:
    """Squared error of D at the hidden levels, in units of the Wiener filter's error variance."""
    recipe, count, levels = net.recipe, len(z), z.shape[1]
    low, high = np.log(recipe.lowest), np.log(recipe.highest)
    sigma = torch.empty(count).uniform_(low, high).exp()
    hidden = torch.rand(count) < recipe.hidden
    only = nn.functional.one_hot(torch.randint(levels, (count,)), levels).bool()
    missing = hidden[:, None] | only
    shown = places.showing(z.where(~missing, torch.nan))
    x = z + sigma[:, None] * torch.randn_like(z)
    D = net(x, sigma, shown, net.embed(shown))
    with torch.no_grad():
        level = torch.where(missing, sigma[:, None].expand_as(missing), EXACT)
        _, error = wiener(places.correlation, level)
    ratio = ((D - z) / error).square().clamp_max(50.0)
    return (weight * ratio)[missing].mean()


def draw(
    prior: ResidualPrior, recipe: ResidualRecipe, members: Sequence[int], seed: int = 0
) -> Tensor:
    """Members of ``z``, (2 len(members), n, L): each number gives a draw and its mirror image.

    The mirrored noise makes the mean of the members exact wherever the prior is symmetric. A draw
    starts about the mean that the prior tells at the highest noise level, not about 0.
    """
    noise = MemberNoise(seed, members)
    shape = prior.places.seen.shape[1], 1, len(prior.places)
    sigmas = karras(recipe.levels, recipe.lowest, recipe.highest)
    with torch.no_grad():
        centre = prior(torch.zeros(1, *shape), sigmas[0].float()) / sigmas[0].float()

    def mirrored(wanted: Sequence[int]) -> Tensor:
        drawn = noise(wanted)
        return torch.cat([drawn, -drawn]) + centre

    x = Heun(prior, sigmas)(mirrored, shape)
    return x[:, :, 0, :].transpose(1, 2)


def ensemble(
    nets: Sequence[Net], places: Places, recipe: ResidualRecipe, members: int, seed: int = 0
) -> Tensor:
    """Members of every network, 2 `members` of each, or of the analytic Gaussian without any."""
    chosen: list[tuple[Net, ...]] = [(net,) for net in nets] or [()]
    return torch.cat(
        [
            draw(ResidualPrior(one, places), recipe, range(k * members, (k + 1) * members), seed)
            for k, one in enumerate(chosen)
        ]
    )


def summary(z: Tensor) -> tuple[Floats, Floats]:
    """Mean and standard deviation of members, each (n, L)."""
    values = z.double()
    return values.mean(dim=0).numpy(), values.std(dim=0).clamp_min(1e-3).numpy()
