"""The decoder: one query per candidate attends to the tokens; one head per sub-score and one for imitation."""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from planning.forecasting.constant_velocity import NUM_INSTANTS
from planning.neural.candidate_features import NUM_CANDIDATE_FEATURES
from planning.neural.encoder import NetworkConfig, two_layers

IMITATION = "imitation"
Logits = dict[str, Float[Tensor, "states candidates"]]
"""One logit per candidate, by head: the sub-scores and imitation."""


class CrossLayer(nn.Module):
    """Cross-attention and feed-forward layer, pre-norm.

    Queries do not attend to each other, so that the logits of a candidate do not depend on the other candidates.
    """

    # Names of submodules are keys of stored checkpoints.
    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.before = nn.LayerNorm(config.width)
        self.attend = nn.MultiheadAttention(config.width, config.heads, config.dropout, batch_first=True)
        self.between = nn.LayerNorm(config.width)
        self.think = two_layers(config.width, config.feed_forward, config.width)

    def forward(
        self,
        queries: Float[Tensor, "states candidates width"],
        tokens: Float[Tensor, "states tokens width"],
        padding: Bool[Tensor, "states tokens"],
    ) -> Float[Tensor, "states candidates width"]:
        """Queries updated from the tokens; `padding` marks tokens to leave out."""
        attended, _ = self.attend(self.before(queries), tokens, tokens, key_padding_mask=padding, need_weights=False)
        queries = queries + attended
        return queries + self.think(self.between(queries))


class VocabularyDecoder(nn.Module):
    """Candidate features and tokens -> logits of each candidate."""

    def __init__(self, config: NetworkConfig, sub_scores: Sequence[str]) -> None:
        super().__init__()
        width = config.width
        self.names = (*sub_scores, IMITATION)
        self.relate = nn.Sequential(
            nn.Linear(NUM_CANDIDATE_FEATURES * NUM_INSTANTS, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.ego = nn.Linear(width, width)
        self.layers = nn.ModuleList(CrossLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.heads = two_layers(width, 2 * width, len(self.names))

    def forward(
        self,
        features: Float[Tensor, "states candidates 8 features"],
        tokens: Float[Tensor, "states tokens width"],
        mask: Bool[Tensor, "states tokens"],
    ) -> Logits:
        """Logits of all heads."""
        queries = self.relate(features.flatten(-2)) + self.ego(tokens[:, :1])
        for layer in self.layers:
            queries = layer(queries, tokens, ~mask)
        logits = self.heads(self.norm(queries))
        return {name: logits[..., column] for column, name in enumerate(self.names)}
