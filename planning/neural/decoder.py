"""The vocabulary asks the tokens: one query per entry, one head per sub-score, and one for imitation."""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from planning.forecasting.agents import NUM_INSTANTS
from planning.neural.encoder import NetworkConfig, two_layers
from planning.neural.relations import RELATION_SIZE

IMITATION = "imitation"


class CrossLayer(nn.Module):
    """Queries look at tokens, each for itself; entries do not see each other, so that a part equals the whole."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.before = nn.LayerNorm(config.width)
        self.attend = nn.MultiheadAttention(config.width, config.heads, config.dropout, batch_first=True)
        self.between = nn.LayerNorm(config.width)
        self.think = two_layers(config.width, config.feed_forward, config.width)

    def forward(
        self,
        queries: Float[Tensor, "states entries width"],
        tokens: Float[Tensor, "states tokens width"],
        absent: Bool[Tensor, "states tokens"],
    ) -> Float[Tensor, "states entries width"]:
        """Queries that know the tokens."""
        looked, _ = self.attend(self.before(queries), tokens, tokens, key_padding_mask=absent, need_weights=False)
        queries = queries + looked
        return queries + self.think(self.between(queries))


class VocabularyDecoder(nn.Module):
    """Logits of every entry."""

    def __init__(self, config: NetworkConfig, sub_scores: Sequence[str]) -> None:
        super().__init__()
        width = config.width
        self.names = (*sub_scores, IMITATION)
        self.relate = nn.Sequential(
            nn.Linear(RELATION_SIZE * NUM_INSTANTS, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.ego = nn.Linear(width, width)
        self.layers = nn.ModuleList(CrossLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.heads = two_layers(width, 2 * width, len(self.names))

    def forward(
        self,
        relations: Float[Tensor, "states entries 8 relations"],
        tokens: Float[Tensor, "states tokens width"],
        mask: Bool[Tensor, "states tokens"],
    ) -> dict[str, Float[Tensor, "states entries"]]:
        """Logits by the name of their head."""
        queries = self.relate(relations.flatten(-2)) + self.ego(tokens[:, :1])
        for layer in self.layers:
            queries = layer(queries, tokens, ~mask)
        logits = self.heads(self.norm(queries))
        return {name: logits[..., column] for column, name in enumerate(self.names)}
