"""Linear, and convert: the linear layers of a model made such."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from ..errors import ArgumentError
from ..recipes import Recipe
from . import products, sharded, weights
from .functional import _CompiledLinear, _EagerLinear, _check


class Linear(nn.Linear):
    """nn.Linear whose products are quantized as `recipe` says; parameters and state_dict are nn.Linear's.

    Its roundings' random bits are those of `seed`, `number` (which layer this is), the rank in
    torch.distributed's world, and a counter of forward passes in training (buffer `step`, not in the
    state_dict), so no two of these share any. What activation checkpointing computes again has the
    bits of the first time. Its copies of the weight are made once for each optimizer step.
    """

    def __init__(
        self, *args, recipe: Recipe | str, seed: int = 0, number: int = 0, exact: bool = True, **kwargs
    ):
        super().__init__(*args, **kwargs)
        self._begin(recipe, seed, number, exact)

    def _begin(self, recipe, seed: int, number: int, exact: bool) -> None:
        self.recipe, self.exact = recipe, bool(exact)
        self._enroll()
        self.seed, self.number = int(seed), int(number)
        step = torch.zeros(1, dtype=torch.int64, device=self.weight.device)
        self.register_buffer("step", step, persistent=False)

    def _enroll(self) -> None:
        """Takes the numbers that are of this process."""
        self._recipe_number = products.recipe_number(self.recipe, self.exact)
        self._layer = weights.new_layer(self)

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        self._enroll()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """y = x w^T + b of x (.., K). A weight sharded by torch.distributed's tensor parallelism gives such a y."""
        if isinstance(self.weight, DTensor):
            return sharded.forward(self, x)
        return self.product(x, self.weight, self.bias, _rank())

    def product(self, x, weight, bias, rank: int) -> torch.Tensor:
        """`forward` of local tensors, with noise of `rank`."""
        _check(x, weight, bias)
        step = self.step
        if self.training:  # without gradients too: so runs the first pass of a checkpoint that is reentrant
            if not _is_recomputing():
                self.step.add_(1)
            step = self.step.clone()  # later passes count on before this one's backward
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        function = _CompiledLinear if torch.compiler.is_compiling() else _EagerLinear
        rows = x.reshape(-1, x.shape[-1])
        path = [self.number, rank]
        y = function.apply(
            rows, weight, bias, step, self._recipe_number, self._layer, dtype, self.seed, path, 0
        )
        return y.reshape(*x.shape[:-1], weight.shape[0])

    def extra_repr(self) -> str:
        names = [spec.format.name for pair in _pairs(self.recipe) for spec in pair or ()]
        return f"{super().extra_repr()}, recipe={'/'.join(dict.fromkeys(names)) or 'BF16'}"

    def __deepcopy__(self, memo):
        """A layer of its own: with copies of its weight by itself."""
        copy = self.__class__.__new__(self.__class__)
        memo[id(self)] = copy
        from copy import deepcopy

        copy.__dict__.update({name: deepcopy(value, memo) for name, value in self.__dict__.items()})
        copy._enroll()
        return copy


def _pairs(recipe: Recipe | str):
    recipe = products.recipe_of(products.recipe_number(recipe))
    return recipe.fprop, recipe.dgrad, recipe.wgrad


def _rank() -> int:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if distributed else 0


def _is_recomputing() -> bool:
    """In a backward pass, where activation checkpointing runs forward code again."""
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1


def convert(
    model: nn.Module,
    recipe: Recipe | str,
    *,
    skip: Iterable[str] | Callable[[str, nn.Linear], bool] = (),
    seed: int = 0,
    exact: bool = True,
) -> nn.Module:
    """Makes the nn.Linear modules of a model, and the model itself if it is one, Linear, in place.

    Args:
        recipe: of all of them; call again with another `skip` for layers of another recipe.
        skip: names of modules (as of named_modules) or patterns such as "*.lm_head", or a function of
            name and module that says which stay as they are.
        exact: as of `linear`; False is much faster on GPUs for recipes of f32 scales (UFP4, E2M1_REF).
        seed: of the random bits; a layer's number is its place among the model's linear layers.

    Parameters, hooks and names stay, so optimizers and checkpoints do not notice. Modules of classes
    derived from nn.Linear stay as they are, but for Linear, which gets the new recipe. Returns the
    model. Raises ArgumentError if a pattern fits no linear layer, or no layer is left.
    """
    layers = [(name, module) for name, module in model.named_modules() if type(module) in (nn.Linear, Linear)]
    skips = skip if callable(skip) else _matcher(skip, [name for name, _ in layers])
    converted = 0
    for number, (name, module) in enumerate(layers):
        if skips(name, module):
            continue
        module.__class__ = Linear
        module._begin(recipe, seed, number, exact)
        converted += 1
    if not converted:
        raise ArgumentError("convert found no nn.Linear to convert", instead="a model with some that skip= leaves")
    return model


def _matcher(patterns: Iterable[str], names: list[str]) -> Callable[[str, nn.Module], bool]:
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise ArgumentError(f"skip={pattern!r} fits no linear layer", instead=", ".join(names[:8]))
    return lambda name, _: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
