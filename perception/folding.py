"""Faster inference: normalisations folded into the convolutions before them, and layers of `fused`."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from perception.fused import Constant, PlannedLift, fuse, has_onednn
from perception.lift import PullLift
from perception.network import PerceptionNetwork


def folded(network: PerceptionNetwork) -> PerceptionNetwork:
    """A copy for inference, in which convolutions hold the normalisation that follows them.

    Outputs agree up to rounding. The copy cannot be trained, and its weights do not fit a checkpoint.
    """
    result = copy.deepcopy(network).eval()
    for module in result.modules():
        if isinstance(module, nn.Sequential):
            for index in range(len(module) - 1):
                first, second = module[index], module[index + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[index], module[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    for parameter in result.parameters():
        parameter.requires_grad_(False)
    return result


def for_inference(network: PerceptionNetwork, device: str = "cpu") -> PerceptionNetwork:
    """A folded copy for repeated runs on one rig, in which the lift and, on a CPU, the convolutions are prepared.

    Outputs agree up to rounding. The copy cannot be exported; gradients must be off.
    """
    result = folded(network).to(device)
    result.add_module("place", Constant(result.place(result.coordinates).detach()))
    if isinstance(result.lift, PullLift):
        result.add_module("lift", PlannedLift(result.lift))
    if torch.device(device).type == "cpu" and has_onednn():
        fuse(result)
    return result
