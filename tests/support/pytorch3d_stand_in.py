"""A small rasteriser with PyTorch3D's interface and conventions, for machines where PyTorch3D does not load.

x left, y up, z forward; the centre of the first pixel is (0.5, 0.5); triangles are counter-clockwise from outside.
"""

import sys
from types import ModuleType
from typing import NamedTuple

import torch


class Meshes:
    def __init__(self, verts, faces):
        self.verts, self.faces = verts, faces


class PerspectiveCameras:
    def __init__(self, *, R, T, focal_length, principal_point, image_size, in_ndc, device):  # noqa: N803
        assert not in_ndc
        assert image_size.device == torch.device(device)
        self.rotations, self.translations = R, T
        self.focal_lengths, self.principal_points = focal_length, principal_point


class RasterizationSettings(NamedTuple):
    image_size: tuple[int, int]
    blur_radius: float
    faces_per_pixel: int
    cull_backfaces: bool
    z_clip_value: float
    bin_size: int | None = None


class Fragments(NamedTuple):
    pix_to_face: torch.Tensor
    zbuf: torch.Tensor
    dists: torch.Tensor


class MeshRasterizer:
    def __init__(self, cameras, raster_settings):
        self.cameras, self.settings = cameras, raster_settings

    def __call__(self, meshes):
        parts, offset = [], 0
        for row, (points, faces) in enumerate(zip(meshes.verts, meshes.faces, strict=True)):
            face, depth, dists = self._image(row, points[faces])
            parts.append(Fragments(torch.where(face >= 0, face + offset, -1), depth, dists))
            offset += len(faces)
        return Fragments(*(torch.stack(values) for values in zip(*parts, strict=True)))

    def _image(self, row, corners):
        cameras, settings = self.cameras, self.settings
        height, width = settings.image_size
        v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        pixels = torch.stack([u, v], dim=-1).reshape(-1, 2)
        focal, middle = cameras.focal_lengths[row], cameras.principal_points[row]
        rays = torch.cat([(middle - pixels) / focal, torch.ones(len(pixels), 1)], dim=1)
        points = corners @ cameras.rotations[row] + cameras.translations[row]
        # Of each triangle the planes through the camera and an edge, as in a ray tracer.
        edges = torch.linalg.cross(points.roll(-1, dims=1), points.roll(-2, dims=1))
        volume = (points[:, 0] * edges[:, 0]).sum(dim=-1)
        sides = torch.einsum("tki,pi->tkp", edges, rays)
        depth = volume[:, None] / sides.sum(dim=1)
        is_inside = (sides < 0).all(dim=1) & (depth >= settings.z_clip_value)
        dists = self._distances(points, pixels, focal, middle)
        dists = torch.where(is_inside, -dists, dists)
        is_front = (volume < 0)[:, None] & (points[..., 2] >= settings.z_clip_value).any(dim=1)[:, None]
        is_near = is_inside | ((dists < settings.blur_radius) & (points[..., 2].min(dim=1).values > 0)[:, None])
        mean_depth = points[..., 2].mean(dim=1)[:, None]
        order = torch.where(is_inside, depth, mean_depth).masked_fill(~(is_front & is_near), torch.inf)
        count = min(settings.faces_per_pixel, len(points))
        found, face = order.topk(count, dim=0, largest=False)
        shape = (height, width, count)
        return (
            torch.where(found.isfinite(), face, -1).T.reshape(shape),
            found.T.reshape(shape),
            dists.gather(0, face).T.reshape(shape),
        )

    def _distances(self, points, pixels, focal, middle):
        """Squared distances of pixels from the outlines of triangles; the shorter side of the image is 2."""
        if self.settings.blur_radius == 0:
            return torch.zeros(len(points), len(pixels))
        corners = middle - focal * points[..., :2] / points[..., 2:].clamp(min=self.settings.z_clip_value)
        along = (corners.roll(-1, dims=1) - corners)[:, :, None]
        towards = pixels - corners[:, :, None]
        share = (towards * along).sum(dim=-1, keepdim=True) / (along**2).sum(dim=-1, keepdim=True).clamp(min=1e-9)
        squared = ((towards - share.clamp(0, 1) * along) ** 2).sum(dim=-1)
        return squared.min(dim=1).values * (2 / min(self.settings.image_size)) ** 2


def install(monkeypatch) -> None:
    """Let imports find this module instead of PyTorch3D."""
    modules = {name: ModuleType(name) for name in ("pytorch3d", "pytorch3d.renderer", "pytorch3d.structures")}
    for one in (PerspectiveCameras, RasterizationSettings, MeshRasterizer):
        setattr(modules["pytorch3d.renderer"], one.__name__, one)
    modules["pytorch3d.structures"].Meshes = Meshes
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
