"""Composing: several adapters become one. Its mathematics, on factors alone; no model is loaded for it.

Side by side, factors add what they do: Σ wᵢ Bᵢ Aᵢ = [w₁B₁ … wₙBₙ] [A₁; …; Aₙ], exactly, and ranks add up. The best
lower rank (Eckart and Young, 1936) is that of the small matrix R_B R_Aᵀ, where B = Q_B R_B and Aᵀ = Q_A R_A: the full
matrix [out, in] is never formed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from . import devices

Factors = tuple[Tensor, Tensor]  # A [R, in] and B [out, R], their scale folded into B
Adapter = Mapping[str, Factors]  # by the name of the module
ENOUGH = 0.99  # of the energy: the rank that keeps so much is told
_NOTHING = 1e-6  # of the largest singular value: a direction smaller than this is rounding


@dataclass(frozen=True, slots=True)
class Kept:
    """What a lower rank leaves of one matrix. Energy is the sum of squared singular values of B A."""

    module: str
    before: int  # rank of the factors side by side
    rank: int
    energy: float
    lost: float  # share of the energy, 0 to 1
    enough: int  # the rank that would keep 99 % of this matrix


@dataclass(frozen=True, slots=True)
class Reduced:
    """An adapter of a lower rank, and what that cost."""

    adapter: Adapter
    matrices: tuple[Kept, ...]
    lost: float  # share of the energy of all matrices together
    enough: int  # one rank for all that would keep 99 % of their energy together


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much two adapters share in one matrix: 0 nothing, 1 the smaller space lies within the other.

    Shares are the mean squared cosine of the principal angles between two spaces (φ of arXiv 2106.09685, section 7.2).
    Spaces of random directions share `chance` of it.
    """

    module: str
    reads: float  # of the row spaces of A: the directions of the input that both look at
    reads_chance: float
    writes: float  # of the column spaces of B: the directions of the output that both move
    writes_chance: float
    cosine: float  # of the angle between both B A, −1 to 1: below 0 they undo each other, at 0 neither minds the other


def factors(tensors: Mapping[str, Tensor]) -> dict[str, Factors]:
    """The factors of an adapter's tensors `<module>.lora_A.weight` and `<module>.lora_B.weight`, by module, sorted."""
    ends = ".lora_A.weight", ".lora_B.weight"
    names = sorted(key.removesuffix(ends[0]) for key in tensors if key.endswith(ends[0]))
    return {name: (tensors[f"{name}{ends[0]}"], tensors[f"{name}{ends[1]}"]) for name in names}


def tensors(adapter: Adapter) -> dict[str, Tensor]:
    """The tensors of an adapter's file, as `factors` reads them."""
    return {
        f"{name}.lora_{side}.weight": value.contiguous()
        for name, pair in adapter.items()
        for side, value in zip("AB", pair, strict=True)
    }


def exact(adapters: Sequence[Adapter], weights: Sequence[float]) -> dict[str, Factors]:
    """Factors side by side, at least in float32: applying them is applying every adapter at its weight.

    An adapter whose weight is 0 takes no rank. Raises ValueError where two adapters differ in the shape of a module,
    and where nothing is left.
    """
    parts = [(one, weight) for one, weight in zip(adapters, weights, strict=True) if weight]
    if not any(one for one, _ in parts):
        raise ValueError("nothing is left where every weight is 0")
    return beside([one for one, _ in parts], [weight for _, weight in parts])


def beside(adapters: Sequence[Adapter], weights: Sequence[float]) -> dict[str, Factors]:
    """`exact`, but one whose weight is 0 keeps its rank: shapes are the same at any weights."""
    parts = list(zip(adapters, weights, strict=True))
    names = sorted({name for one in adapters for name in one})
    return {name: _beside(name, [(*one[name], weight) for one, weight in parts if name in one]) for name in names}


def _beside(name: str, parts: Sequence[tuple[Tensor, Tensor, float]]) -> Factors:
    shapes = {(down.shape[1], up.shape[0]) for down, up, _ in parts}
    if len(shapes) > 1:
        found = " and ".join(f"{before} → {after}" for before, after in sorted(shapes))
        raise ValueError(f"{name} differs in its shape: {found}")
    kinds = [devices.precise(value.dtype) for part in parts for value in part[:2]]
    precise = max(kinds, key=lambda kind: kind.itemsize)
    down = torch.cat([down.to(precise) for down, _, _ in parts])
    return down, torch.cat([weight * up.to(precise) for _, up, weight in parts], dim=1)


def reduced(adapter: Adapter, rank: int) -> Reduced:
    """The best adapter whose matrices have at most this rank; one that has no more already stays as it is."""
    made: dict[str, Factors] = {}
    matrices: list[Kept] = []
    spectra: list[Tensor] = []
    for name, (down, up) in adapter.items():
        q_up, u, s, v, q_down = _decomposed(down, up)
        half = s[:rank].sqrt()
        low = (half[:, None] * (v[:rank] @ q_down.T), (q_up @ u[:, :rank]) * half)
        made[name] = (down, up) if len(down) <= rank else (low[0].to(down.dtype), low[1].to(up.dtype))
        energy = s.double().square()
        spectra.append(energy)
        lost = float(energy[rank:].sum() / energy.sum()) if len(down) > rank and energy.sum() > 0 else 0.0
        matrices.append(Kept(name, len(down), len(made[name][0]), float(energy.sum()), lost, _enough([energy])))
    whole = sum(one.energy for one in matrices)
    lost = sum(one.lost * one.energy for one in matrices) / whole if whole else 0.0
    return Reduced(made, tuple(matrices), lost, _enough(spectra))


def _decomposed(down: Tensor, up: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """B A = Q_B (U S V) Q_Aᵀ, at least in float32: Q_B [out, K], U [K, L], S [L], V [L, K'], Q_A [in, K']."""
    q_up, r_up = torch.linalg.qr(up.to(devices.precise(up.dtype)))
    q_down, r_down = torch.linalg.qr(down.to(devices.precise(down.dtype)).T)
    u, s, v = torch.linalg.svd(r_up @ r_down.T, full_matrices=False)
    return q_up, u, s, v, q_down


def _enough(energies: Sequence[Tensor]) -> int:
    """The lowest rank, one for all matrices, that keeps 99 % of their energy together; at least 1."""
    longest = max(map(len, energies))
    whole = sum(torch.nn.functional.pad(one, (0, longest - len(one))) for one in energies)
    kept = torch.as_tensor(whole).cumsum(0)
    return 1 + int((kept < ENOUGH * kept[-1]).sum())


def overlaps(one: Adapter, other: Adapter) -> tuple[Overlap, ...]:
    """What two adapters share, for every module that both have, sorted by module."""
    return tuple(_overlap(name, one[name], other[name]) for name in sorted(one.keys() & other.keys()))


def _overlap(module: str, one: Factors, other: Factors) -> Overlap:
    (down, up), (down_2, up_2) = ((down.double(), up.double()) for down, up in (one, other))
    inner = float(((up.T @ up_2) * (down @ down_2.T)).sum())  # ⟨B A, B' A'⟩ = Σ (BᵀB') ∘ (A A'ᵀ)
    norms = [float(((up.T @ up) * (down @ down.T)).sum()) for down, up in ((down, up), (down_2, up_2))]
    length = (max(norms[0], 0) * max(norms[1], 0)) ** 0.5
    reads, writes = _shared(down.T, down_2.T), _shared(up, up_2)
    return Overlap(module, *reads, *writes, inner / length if length else 0.0)


def _shared(one: Tensor, other: Tensor) -> tuple[float, float]:
    """Mean squared cosine between two column spaces [d, R], and what random ones of their sizes come to on average."""
    spaces = [_basis(one), _basis(other)]
    small, large = sorted(space.shape[1] for space in spaces)
    if not small:
        return 0.0, 0.0
    return float((spaces[0].T @ spaces[1]).square().sum()) / small, large / len(one)


def _basis(columns: Tensor) -> Tensor:
    """Orthonormal directions [d, K] that columns [d, R] span; those that are rounding are left out."""
    u, s, _ = torch.linalg.svd(columns, full_matrices=False)
    return u[:, s > _NOTHING * s[0]] if float(s[0]) > 0 else u[:, :0]
