"""Fine-tuning of the student's decoder by reinforcement in the Gymnasium environment, with nuPlan's score as reward.

The policy is the student by its heads alone, without exact terms: it draws one of its candidates by the probability
softmax(score / temperature) and follows it for half a second. Decoder and a value head learn; the encoder and the
forecast of the agents stay, so that the input of the decoder is computed once per decision.

Source:
    PPO, arXiv 1707.06347; the loop follows CleanRL's `ppo.py`, arXiv 2111.08819.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from driving.observation import Observation
from driving.trajectory import Trajectory
from planning.neural.candidate_features import candidate_features, candidate_geometry
from planning.neural.candidate_selection import CandidateSelector
from planning.neural.encoder import two_layers
from planning.neural.features import FEATURE_NAMES, FeatureBuilder
from planning.neural.network import Student, combined_score
from planning.neural.scoring import ScoredCandidates, blended_plan
from planning.neural.vocabulary import NUM_POSES
from simulation.ego.dynamics import VELOCITY_X, state_array
from simulation.ego.vocabulary_tracking import drive_vocabulary, fit_vocabulary
from simulation.environment.closed_loop import NuPlanEnv


@dataclass(frozen=True, kw_only=True)
class PpoSettings:
    """Sizes and rates of a training; `hold_steps` of 0.1 s a candidate is followed, `trace` is lambda.

    Raises:
        ValueError: When a number is out of its range, or no iteration would train the policy.
    """

    iterations: int = 20
    decisions: int = 30
    """Of each environment in an iteration; 30 are a scenario of 15 s."""
    hold_steps: int = 5
    candidates: int = 224
    temperature: float = 0.05
    value_iterations: int = 2
    """First iterations, in which the value head learns alone."""
    epochs: int = 3
    minibatch: int = 60
    learning_rate: float = 3e-5
    value_learning_rate: float = 1e-3
    discount: float = 0.98
    trace: float = 0.95
    clip: float = 0.2
    max_kl: float = 0.02
    """An iteration ends when the policy has moved by more."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("iterations", "decisions", "hold_steps", "candidates", "epochs", "minibatch"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if self.hold_steps >= NUM_POSES:
            raise ValueError(f"`hold_steps` must be below {NUM_POSES}, the poses of a plan, got {self.hold_steps}.")
        for name in ("value_iterations", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least 0, got {getattr(self, name)}.")
        for name in ("temperature", "learning_rate", "value_learning_rate", "clip", "max_kl"):
            # A NaN is not above 0 either.
            if not 0.0 < getattr(self, name) < np.inf:
                raise ValueError(f"`{name}` must be finite and above 0, got {getattr(self, name):g}.")
        for name in ("discount", "trace"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"`{name}` must be from 0 to 1, got {getattr(self, name):g}.")
        if self.iterations <= self.value_iterations:
            raise ValueError(
                f"The first {self.value_iterations} iterations train the value head only, so `iterations` must be at"
                f" least {self.value_iterations + 1} to train the policy, got {self.iterations}."
            )


class _Old(NamedTuple):
    choices: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor


class DecoderInput(NamedTuple):
    """What the decoder receives for B states."""

    computed: Float[Tensor, "states candidates 8 features"]
    tokens: Float[Tensor, "states tokens width"]
    mask: Bool[Tensor, "states tokens"]


class CandidatePolicy(nn.Module):
    """The student as a distribution over its candidates, with a value head on the ego's token."""

    def __init__(self, student: Student, settings: PpoSettings) -> None:
        super().__init__()
        self.student, self.settings, self.network = student, settings, student.network
        self.network.requires_grad_(requires_grad=False)
        self.network.decoder.requires_grad_(requires_grad=True)
        self.value = two_layers(self.network.config.width, 64, 1)
        self._fitted = fit_vocabulary(student.vocabulary.poses)
        self._selector = CandidateSelector(self._fitted, settings.candidates)
        self._builder = FeatureBuilder()

    @torch.no_grad()
    def observe(self, observations: Sequence[Observation]) -> tuple[DecoderInput, Int64[np.ndarray, "states _"]]:
        """Input of the decoder, and the rows of the vocabulary that are candidates."""
        built = [self._builder.build(one) for one in observations]
        features = {name: np.stack([getattr(one, name) for one in built]) for name in FEATURE_NAMES}
        states = np.stack([state_array(one.ego_now) for one in observations])
        rows = self._selector.select(states[:, VELOCITY_X], features["route"], features["route_mask"])
        geometry = candidate_geometry(features, drive_vocabulary(self._fitted, states, rows))
        tokens, mask = self.network.encoder({name: torch.from_numpy(one) for name, one in features.items()})
        correction = self.network.forecast_correction(tokens, features["agents"].shape[1])
        forecast_m = geometry.kinematic_m + correction.numpy()
        return DecoderInput(torch.from_numpy(candidate_features(geometry, forecast_m)), tokens, mask), rows

    def forward(self, given: DecoderInput) -> tuple[Float[Tensor, "states candidates"], Float[Tensor, "states"]]:
        """Logarithms of the probabilities of the candidates, and values."""
        scores = combined_score(self.network.decoder(*given), self.student.weights)
        return torch.log_softmax(scores / self.settings.temperature, dim=-1), self.value(given.tokens[:, 0])[:, 0]

    def plan(self, observation: Observation, row: int) -> Trajectory:
        """A candidate as a plan."""
        scores = np.zeros(1, dtype=np.float32)
        alone = ScoredCandidates(ego=observation.ego_now, candidates=np.array([row]), scores=scores)
        return blended_plan(alone, self._fitted)


def advantages_of(
    rewards: Float[Tensor, "decisions envs"],
    values: Float[Tensor, "decisions_and_last envs"],
    ended: Bool[Tensor, "decisions envs"],
    settings: PpoSettings,
) -> Float[Tensor, "decisions envs"]:
    """Generalised advantage estimates (arXiv 1506.02438); nothing follows a decision that ended its episode."""
    advantages, following = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for step in reversed(range(len(rewards))):
        continues = (~ended[step]).float()
        error = rewards[step] + settings.discount * continues * values[step + 1] - values[step]
        following = error + settings.discount * settings.trace * continues * following
        advantages[step] = following
    return advantages


def follow(env: NuPlanEnv, plan: Trajectory, steps: int) -> tuple[Observation, float, bool, dict[str, Any]]:
    """Follow a plan for some steps, or to the end of the episode: last observation, summed reward, end, last info."""
    total, ended, step = 0.0, False, 0
    while step < steps and not ended:
        poses = plan.poses[step:]
        observation, reward, ended, _, info = env.step(Trajectory(time_s=plan.time_s[: len(poses)], poses=poses))
        total, step = total + reward, step + 1
    return observation, total, ended, info


def train(
    student: Student, envs: Sequence[NuPlanEnv], settings: PpoSettings, report: Callable[[dict[str, float]], None]
) -> None:
    """Train the decoder of a student in place; `report` receives scores and losses of each iteration.

    The environments take trajectories and have `RawObservations` as encoder.
    """
    torch.manual_seed(settings.seed)
    policy = CandidatePolicy(student, settings)
    decoder, value = policy.network.decoder.parameters(), policy.value.parameters()
    groups: list[dict[str, Any]] = [{"params": decoder}, {"params": value, "lr": settings.value_learning_rate}]
    optimizer = torch.optim.Adam(groups, lr=settings.learning_rate, eps=1e-5)
    observations = [env.reset(seed=settings.seed + number)[0] for number, env in enumerate(envs)]
    for iteration in range(settings.iterations):
        inputs, choices, log_probs, values, rewards, ended, scores = [], [], [], [], [], [], []
        for _ in range(settings.decisions):
            given, rows = policy.observe(observations)
            with torch.no_grad():
                log_prob, value = policy(given)
            choice = torch.multinomial(log_prob.exp(), 1)[:, 0]
            inputs.append(given)
            choices.append(choice)
            values.append(value)
            log_probs.append(log_prob.gather(1, choice[:, None])[:, 0])
            chosen = np.take_along_axis(rows, choice[:, None].numpy(), axis=1)[:, 0].tolist()
            plans = [policy.plan(*pair) for pair in zip(observations, chosen, strict=True)]
            results = [follow(env, plan, settings.hold_steps) for env, plan in zip(envs, plans, strict=True)]
            rewards.append(torch.tensor([result[1] for result in results], dtype=torch.float32))
            ended.append(torch.tensor([result[2] for result in results]))
            scores += [result[3]["score"] for result in results if result[2]]
            observations = [env.reset()[0] if one[2] else one[0] for env, one in zip(envs, results, strict=True)]
        with torch.no_grad():
            values.append(policy(policy.observe(observations)[0])[1])
        advantages = advantages_of(torch.stack(rewards), torch.stack(values), torch.stack(ended), settings).flatten()
        batch = DecoderInput(*(torch.cat(parts) for parts in zip(*inputs, strict=True)))
        old = _Old(torch.cat(choices), torch.cat(log_probs), advantages, advantages + torch.cat(values[:-1]))
        losses = _update(policy, optimizer, batch, old, learns_policy=iteration >= settings.value_iterations)
        report({"iteration": iteration, "episodes": len(scores), "score": np.mean(scores or [np.nan]), **losses})


def _update(
    policy: CandidatePolicy, optimizer: torch.optim.Optimizer, batch: DecoderInput, old: _Old, *, learns_policy: bool
) -> dict[str, float]:
    settings, kl, losses = policy.settings, 0.0, []
    scaled = (old.advantages - old.advantages.mean()) / (old.advantages.std(unbiased=False) + 1e-8)
    for _ in range(settings.epochs):
        for rows in torch.randperm(len(scaled)).split(settings.minibatch):
            if kl > settings.max_kl:
                break
            log_prob, value = policy(DecoderInput(*(part[rows] for part in batch)))
            change = log_prob.gather(1, old.choices[rows, None])[:, 0] - old.log_probs[rows]
            ratio = change.exp()
            clipped = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip)
            gain = torch.minimum(ratio * scaled[rows], clipped * scaled[rows]).mean()
            value_loss = (value - old.returns[rows]).square().mean()
            optimizer.zero_grad()
            (0.5 * value_loss - (gain if learns_policy else 0.0)).backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()
            kl = float((ratio.detach() - 1.0 - change.detach()).mean()) if learns_policy else 0.0
            losses.append(value_loss.item())
    return {"value_loss": float(np.mean(losses)), "kl": kl}
