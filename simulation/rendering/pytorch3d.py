"""Scenes of a `CameraRenderer` in PyTorch3D: an independent reference, batches on a GPU, calibration by gradient.

    scene = renderer.triangles(snapshot)
    (images,) = draw([scene], renderer.rig, device="cuda")
    images[0].instances                                    # as RenderedImages.instances

    refined = refine_extrinsic(wrong_rig, 0, silhouettes).rig

PyTorch3D is an extra of this package: `pip install "camber[p3d]"`. Its wheel contains code for torch 2.11 and 2.12
for CUDA; it also runs without a GPU, but not beside a build of torch for the CPU only.

Axes of PyTorch3D's cameras: x left, y up, z forward. Points are rows: p_camera = p_ego @ rotation + translation. The
centre of its first pixel is (0.5, 0.5).

Tensor legend: N images, T triangles, V vertices, H W image.
"""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int32, Int64, Shaped
from torch import Tensor

from driving.cameras import CameraRig
from simulation.rendering.camera_tables import NEAR_M, distorted_pixels
from simulation.rendering.renderer import GROUND, SKY, PlacedTriangles

_FLIP = np.diag([-1.0, -1.0, 1.0])
"""Between the axes of our cameras (x right, y down) and of PyTorch3D's."""
_GROUND_RINGS, _GROUND_SECTORS = 18, 16
FIRST_RING_M = 0.5
"""The ground is drawn as rings that double from this radius, so that every triangle is small where it is seen."""


class MissingPyTorch3DError(ImportError):
    """PyTorch3D cannot be loaded. The message names the reason and the remedy."""


class _PyTorch3D(NamedTuple):
    """The two modules that are used."""

    renderer: Any
    structures: Any


def load_pytorch3d() -> _PyTorch3D:
    """Import PyTorch3D.

    Raises:
        MissingPyTorch3DError: When it is not installed, or was built for another torch.
    """
    try:
        modules = [importlib.import_module(f"pytorch3d.{name}") for name in ("renderer", "structures")]
    except (ImportError, OSError) as error:
        raise MissingPyTorch3DError(
            f"PyTorch3D cannot be loaded beside torch {torch.__version__}: {error}. Its wheel needs torch 2.11 or"
            " 2.12 for CUDA, also on a machine without a GPU. Install both in an environment of their own:"
            " pip install 'torch==2.12.*' 'camber[p3d]'."
        ) from error
    return _PyTorch3D(*modules)


class Pinholes(NamedTuple):
    """C cameras in PyTorch3D's convention."""

    rotations: Float64[np.ndarray, "cameras 3 3"]
    translations_m: Float64[np.ndarray, "cameras 3"]
    focal_lengths_px: Float64[np.ndarray, "cameras 2"]
    principal_points_px: Float64[np.ndarray, "cameras 2"]


def pinholes_of(rig: CameraRig) -> Pinholes:
    """The cameras of a rig.

    Raises:
        ValueError: When a camera has distortion or skew, which PyTorch3D's pinhole cameras cannot have.
    """
    for name, distortion, matrix in zip(rig.names, rig.distortion, rig.intrinsics, strict=True):
        if distortion.any() or matrix[0, 1] != 0:
            raise ValueError(
                f"Camera {name} has distortion {distortion.tolist()} and skew {matrix[0, 1]}, PyTorch3D draws pinhole"
                " cameras only. Use `rectified(rig)`, and `rectified_image` for images and masks."
            )
    rotations = rig.ego_from_camera[:, :3, :3] @ _FLIP
    return Pinholes(
        rotations=rotations,
        translations_m=-np.einsum("ci,cij->cj", rig.ego_from_camera[:, :3, 3], rotations),
        focal_lengths_px=rig.intrinsics[:, [0, 1], [0, 1]],
        principal_points_px=rig.intrinsics[:, :2, 2] + 0.5,
    )


def rectified(rig: CameraRig) -> CameraRig:
    """The rig without distortion; the intrinsics stay."""
    return replace(rig, distortion=np.zeros_like(rig.distortion))


def rectified_image(
    rig: CameraRig, camera: int, image: Shaped[np.ndarray, "height width *channels"]
) -> Shaped[np.ndarray, "height width *channels"]:
    """An image or mask of a distorted camera as the camera of `rectified(rig)` shows it: nearest pixels, else 0."""
    width, height = rig.image_sizes[camera].tolist()
    u, v = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(rig.intrinsics[camera]).T
    lens = np.concatenate([rig.distortion[camera], rig.intrinsics[camera, :2].ravel()])
    pixels = np.rint(distorted_pixels(lens, rays[..., :2])).astype(np.int64)
    columns, rows = pixels[..., 0].clip(0, width - 1), pixels[..., 1].clip(0, height - 1)
    found = image[rows, columns]
    found[(columns != pixels[..., 0]) | (rows != pixels[..., 1])] = 0
    return found


def ground_triangles() -> Float32[np.ndarray, "triangles 3 3"]:
    """The plane z = 0 up to 65 km as rings of triangles that face up, in the ego frame."""
    radii = np.concatenate([[0.0], FIRST_RING_M * 2.0 ** np.arange(_GROUND_RINGS)])
    angles = np.arange(_GROUND_SECTORS + 1) * (2 * np.pi / _GROUND_SECTORS)
    rims = radii[:, np.newaxis, np.newaxis] * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=-1)
    a, b, c, d = rims[:-1, :-1], rims[1:, :-1], rims[1:, 1:], rims[:-1, 1:]
    triangles = np.concatenate([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)[1:]])
    return triangles.reshape(-1, 3, 3).astype(np.float32)


def in_view(
    rig: CameraRig, camera: int, corners: Float32[np.ndarray, "triangles 3 3"], margin: float = 0.0
) -> Bool[np.ndarray, "triangles"]:
    """Triangles that may be visible: not beyond one side of the view pyramid, not behind the camera.

    Args:
        rig: Without distortion.
        camera: Number in the rig.
        corners: Ego frame.
        margin: Share of the image by which the pyramid is widened on each side.
    """
    camera_from_ego = np.linalg.inv(rig.ego_from_camera[camera])
    points = corners @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3]
    homogeneous = points @ rig.intrinsics[camera].T
    low = -0.5 - margin * rig.image_sizes[camera]
    high = (1 + margin) * rig.image_sizes[camera] - 0.5
    depth = homogeneous[..., 2:]
    outside = np.concatenate(
        [homogeneous[..., :2] < low * depth, homogeneous[..., :2] > high * depth, depth < NEAR_M], axis=-1
    )
    # Beyond one side with all corners.
    return np.logical_not(np.any(np.all(outside, axis=1), axis=1))


# ------------------------------------------------------------------ images


class ReferenceImage(NamedTuple):
    """What one camera shows."""

    instances: Int32[np.ndarray, "height width"]
    """Row of the agent, `GROUND`, `SKY` or `PROP`."""
    depth_m: Float32[np.ndarray, "height width"]
    """Distance along the optical axis, inf for the sky."""


def draw(
    scenes: Sequence[PlacedTriangles],
    rig: CameraRig,
    *,
    cameras: Sequence[int] | None = None,
    device: str = "cpu",
) -> list[list[ReferenceImage]]:
    """Rasterise scenes with PyTorch3D, all images of one size in one batch.

    Args:
        scenes: In the ego frame, of `CameraRenderer.triangles`.
        rig: Cameras without distortion.
        cameras: Numbers in the rig; None draws all.
        device: Of the rasteriser, "cpu" or "cuda".

    Returns:
        For each scene the images of its cameras.

    Raises:
        MissingPyTorch3DError: When PyTorch3D cannot be loaded.
        ValueError: When a camera has distortion or skew.
    """
    chosen = list(range(len(rig.names)) if cameras is None else cameras)
    jobs = [(scene, camera) for scene in range(len(scenes)) for camera in chosen]
    sizes = {camera: tuple(rig.image_sizes[camera].tolist()) for camera in chosen}
    ground = ground_triangles()
    found: dict[tuple[int, int], ReferenceImage] = {}
    for size in sorted(set(sizes.values())):
        batch = [(scene, camera) for scene, camera in jobs if sizes[camera] == size]
        corners, numbers = [], []
        for scene, camera in batch:
            shown = in_view(rig, camera, scenes[scene].corners)
            paved = ground[in_view(rig, camera, ground)]
            corners.append(np.concatenate([scenes[scene].corners[shown], paved]))
            numbers.append(np.append(scenes[scene].numbers[shown], np.full(len(paved), GROUND, np.int32)))
        frames = _camera_tensors(rig, [camera for _, camera in batch], device)
        faces, depth = _rasterised(corners, frames, (size[1], size[0]))
        offsets = np.cumsum([0, *map(len, numbers)])[:-1, np.newaxis, np.newaxis]
        for row, key in enumerate(batch):
            # The last entry serves pixels without a triangle.
            local = np.where(faces[row] >= 0, faces[row] - offsets[row], -1)
            found[key] = ReferenceImage(
                instances=np.append(numbers[row], np.int32(SKY))[local],
                depth_m=np.where(local >= 0, depth[row], np.float32(np.inf)),
            )
    return [[found[scene, camera] for camera in chosen] for scene in range(len(scenes))]


def _rasterised(
    corners: list[np.ndarray], frames: "_CameraTensors", size: tuple[int, int]
) -> tuple[Int64[np.ndarray, "images height width"], Float32[np.ndarray, "images height width"]]:
    """Nearest triangle of each pixel, counted over the batch and -1 without one, and its depth."""
    library = load_pytorch3d()
    settings = library.renderer.RasterizationSettings(
        image_size=size, blur_radius=0.0, faces_per_pixel=1, cull_backfaces=True, z_clip_value=NEAR_M
    )
    with torch.no_grad():
        rasterizer = library.renderer.MeshRasterizer(_cameras(library, frames, size), settings)
        fragments = rasterizer(_meshes(library, corners, frames.rotations.device))
    return fragments.pix_to_face[..., 0].cpu().numpy(), fragments.zbuf[..., 0].cpu().numpy()


class _CameraTensors(NamedTuple):
    rotations: Float32[Tensor, "N 3 3"]
    translations: Float32[Tensor, "N 3"]
    focal_lengths: Float32[Tensor, "N 2"]
    principal_points: Float32[Tensor, "N 2"]


def _camera_tensors(rig: CameraRig, cameras: list[int], device: str) -> _CameraTensors:
    return _CameraTensors(
        *(torch.tensor(values[cameras], dtype=torch.float32, device=device) for values in pinholes_of(rig))
    )


def _cameras(library: _PyTorch3D, frames: _CameraTensors, size: tuple[int, int]) -> Any:
    device = frames.rotations.device
    return library.renderer.PerspectiveCameras(
        R=frames.rotations,
        T=frames.translations,
        focal_length=frames.focal_lengths,
        principal_point=frames.principal_points,
        image_size=torch.tensor([size] * len(frames.rotations), device=device),
        in_ndc=False,
        device=device,
    )


def _meshes(library: _PyTorch3D, corners: list[np.ndarray], device: Any) -> Any:
    """A batch of meshes whose triangles share no vertices."""
    return library.structures.Meshes(
        verts=[torch.tensor(one.reshape(-1, 3), dtype=torch.float32, device=device) for one in corners],
        faces=[torch.arange(3 * len(one), device=device).reshape(-1, 3) for one in corners],
    )


# ------------------------------------------------------------- calibration


@dataclass(frozen=True, kw_only=True, eq=False)
class Silhouette:
    """Which pixels of a camera show agents at one instant, and where these agents are."""

    corners: Float32[np.ndarray, "triangles 3 3"]
    """Triangles of the agents in the ego frame."""
    mask: Bool[np.ndarray, "height width"]
    """True where the image shows one of the agents."""


@dataclass(frozen=True, kw_only=True)
class RefinementSettings:
    """How the pose of a camera is refined."""

    steps: int = 80
    angle_rate_rad: float = 0.002
    """Change of each angle in a step."""
    position_rate_m: float = 0.0
    """Change of the position in a step; 0 keeps the position, which distant agents hardly determine."""
    blur_px: tuple[float, float] = (6.0, 1.0)
    """Deviation of the edges of silhouettes at the first and at the last step. The first covers the error."""
    faces_per_pixel: int = 24
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """A rig with one refined camera."""

    rig: CameraRig
    losses: Float64[np.ndarray, "steps"]
    """1 - intersection over union of soft silhouettes and masks before each step."""
    rotation_rad: Float64[np.ndarray, "3"]
    """Correction about the camera's x, y and z axes."""
    shift_m: Float64[np.ndarray, "3"]
    """Correction of the position along the camera's axes."""


_DEFAULTS = RefinementSettings()


def refine_extrinsic(
    rig: CameraRig, camera: int, silhouettes: Sequence[Silhouette], settings: RefinementSettings = _DEFAULTS
) -> Refinement:
    """Correct the pose of a camera until the agents cover their masks.

    Soft silhouettes are compared by intersection over union; Adam follows the gradient to the angles (and the
    position) of the camera, while the edges of the silhouettes become sharper.

    Args:
        rig: Without distortion. The other cameras stay.
        camera: Number of the camera to refine.
        silhouettes: Of several instants, agents near and far, left and right.
        settings: Steps and rates.

    Raises:
        MissingPyTorch3DError: When PyTorch3D cannot be loaded.
        ValueError: When the camera has distortion, a mask has another size than its images, or no agent is in view.

    Source:
        Liu et al., "Soft Rasterizer", ICCV 2019: the soft silhouette, with PyTorch3D's rasteriser.
    """
    width, height = rig.image_sizes[camera].tolist()
    for one in silhouettes:
        if one.mask.shape != (height, width):
            raise ValueError(
                f"A mask of camera {rig.names[camera]} has {one.mask.shape[1]} x {one.mask.shape[0]} px, its images"
                f" have {width} x {height} px. Resize the rig or the masks."
            )
    shown = [one.corners[in_view(rig, camera, one.corners, margin=0.5)] for one in silhouettes]
    kept = [row for row, corners in enumerate(shown) if len(corners) and silhouettes[row].mask.any()]
    if not kept:
        raise ValueError(
            f"No agent is in view of camera {rig.names[camera]} where a mask shows one. Give silhouettes of other"
            " instants, or start from a rig that is less wrong."
        )
    library = load_pytorch3d()
    device = torch.device(settings.device)
    meshes = _meshes(library, [shown[row] for row in kept], device)
    masks = torch.tensor(np.stack([silhouettes[row].mask for row in kept]), dtype=torch.float32, device=device)
    pose = _Pose(_camera_tensors(rig, [camera], settings.device), len(kept))
    optimiser = torch.optim.Adam(
        [
            {"params": [pose.rotation], "lr": settings.angle_rate_rad},
            {"params": [pose.shift], "lr": settings.position_rate_m},
        ]
    )
    first, last = settings.blur_px
    losses = []
    for step in range(settings.steps):
        share = step / max(settings.steps - 1, 1)
        blur_px = first * (last / first) ** share
        optimiser.zero_grad()
        alpha = _soft_silhouettes(
            library, meshes, pose.frames(), (height, width), (blur_px, settings.faces_per_pixel)
        )
        both = (alpha * masks).sum()
        loss = 1 - both / (alpha.sum() + masks.sum() - both)
        loss.backward()
        for group, rate in zip(
            optimiser.param_groups, (settings.angle_rate_rad, settings.position_rate_m), strict=True
        ):
            # Half a cosine, so that the last steps settle.
            group["lr"] = rate * (0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2)
        optimiser.step()
        losses.append(loss.item())
    return _refinement(rig, camera, pose, losses)


@dataclass(eq=False)
class _Pose:
    """Pose of a camera that is the same in N images, and its correction."""

    start: _CameraTensors
    count: int
    rotation: Tensor = field(init=False)
    shift: Tensor = field(init=False)

    def __post_init__(self) -> None:
        device = self.start.rotations.device
        self.rotation, self.shift = (torch.zeros(3, device=device, requires_grad=True) for _ in range(2))

    def frames(self) -> _CameraTensors:
        """The corrected cameras. A turn of the camera by R turns points by the inverse of R, here by rows."""
        turn = torch.linalg.matrix_exp(_cross(self.rotation))
        # Corrections are about axes x right, y down, PyTorch3D's are x left, y up.
        flip = torch.tensor(_FLIP, dtype=torch.float32, device=turn.device)
        turn = flip @ turn @ flip
        rotations = self.start.rotations @ turn
        translations = (self.start.translations - self.shift @ flip) @ turn
        return _CameraTensors(
            rotations.expand(self.count, 3, 3),
            translations.expand(self.count, 3),
            self.start.focal_lengths.expand(self.count, 2),
            self.start.principal_points.expand(self.count, 2),
        )


def _cross(axis: Float32[Tensor, "3"]) -> Float32[Tensor, "3 3"]:
    """The matrix whose product with a vector is the cross product."""
    x, y, z = axis.unbind()
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)


def _soft_silhouettes(
    library: _PyTorch3D, meshes: Any, frames: _CameraTensors, size: tuple[int, int], blur: tuple[float, int]
) -> Float32[Tensor, "N H W"]:
    """Probability that each pixel shows a triangle; `blur` holds the deviation [px] and the triangles of a pixel."""
    blur_px, faces_per_pixel = blur
    # PyTorch3D measures squared distances; the shorter side of the image has a length of 2.
    sigma = (2 * blur_px / min(size)) ** 2
    settings = library.renderer.RasterizationSettings(
        image_size=size,
        blur_radius=math.log(1 / 1e-3 - 1) * sigma,
        faces_per_pixel=faces_per_pixel,
        bin_size=0,
        cull_backfaces=True,
        z_clip_value=NEAR_M,
    )
    fragments = library.renderer.MeshRasterizer(_cameras(library, frames, size), settings)(meshes)
    covered = torch.sigmoid(-fragments.dists / sigma) * (fragments.pix_to_face >= 0)
    return 1 - torch.prod(1 - covered, dim=-1)


def _refinement(rig: CameraRig, camera: int, pose: _Pose, losses: list[float]) -> Refinement:
    rotation_rad, shift_m = (part.detach().double().cpu().numpy() for part in (pose.rotation, pose.shift))
    turn = torch.linalg.matrix_exp(_cross(torch.tensor(rotation_rad))).numpy()
    poses = rig.ego_from_camera.copy()
    poses[camera, :3, 3] += poses[camera, :3, :3] @ shift_m
    poses[camera, :3, :3] = poses[camera, :3, :3] @ turn
    return Refinement(
        rig=replace(rig, ego_from_camera=poses),
        losses=np.array(losses),
        rotation_rad=rotation_rad,
        shift_m=shift_m,
    )
