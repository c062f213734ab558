"""Torsos that look at pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn.functional import conv2d

from entropy_rl import _validate
from entropy_rl.networks.products import Linear, product

LAYERS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))  # channels, width of the kernel, stride


def picture_shape(space: spaces.Space[Any]) -> tuple[int, int, int] | None:
    """``(channels, height, width)`` of a Box of pictures, uint8 of three axes; None of another."""
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8 or len(space.shape) != 3:
        return None
    channels, height, width = space.shape
    return channels, height, width


class Convolution(nn.Conv2d):
    """``torch.nn.Conv2d``, whose product is :func:`entropy_rl.networks.product`'s."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return product(super()._conv_forward, input, weight, bias)


class ConvolutionalTorso(nn.Module):
    """Three layers of convolutions and one that is fully connected, each with a ReLU behind it.

    It reads uint8 and divides by 255. The factor is put on the first layer's weights: in bfloat16
    the integers up to 255 are exact, and their 255ths are not. Pictures lie with their channels
    last, which on a processor is faster. Weights are orthogonal with gain √2, biases 0.

    Args:
        channels: of a picture, such as 4 frames.
        height: in pixels, ≥ 36.
        width: likewise.
        hidden_size: the number of features.

    Raises:
        ValueError: a size that is no positive integer, or a picture that is too small.

    Source: Mnih et al. 2015; the initialisation of OpenAI's baselines.
    """

    def __init__(self, channels: int, height: int, width: int, hidden_size: int = 512) -> None:
        super().__init__()
        _validate.positive_integer("channels", channels)
        _validate.positive_integer("hidden_size", hidden_size)
        sizes = {"height": height, "width": width}
        for name, size in sizes.items():
            _validate.positive_integer(name, size)
            for _, kernel, stride in LAYERS:
                sizes[name] = (sizes[name] - kernel) // stride + 1
            if sizes[name] < 1:
                raise _validate.fail(name, "at least 36 pixels", size)
        convolutions, into = list[Convolution](), channels
        for out, kernel, stride in LAYERS:
            convolutions.append(Convolution(into, out, kernel, stride))
            into = out
        self.first, self.second, self.third = convolutions
        self.connected = Linear(into * sizes["height"] * sizes["width"], hidden_size)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.orthogonal_(parameter, 2**0.5)

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 ``(N, channels, height, width)`` to features ``(N, hidden_size)``."""
        weight, bias = self.first.weight / 255, self.first.bias
        x = pictures.contiguous(memory_format=torch.channels_last).to(weight.dtype)
        x = product(conv2d, x, weight, bias, stride=LAYERS[0][2]).relu_()
        x = self.third(self.second(x).relu_()).relu_()
        return self.connected(x.flatten(1)).relu_()
