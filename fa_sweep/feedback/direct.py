"""Direct feedback alignment (DFA; Nokland, 2016): every hidden layer receives the error of the output, s_l = B_l e."""

from collections.abc import Sequence
from typing import Any

from fa_sweep._typing import Array
from fa_sweep.feedback._base import Backward, Chance, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback._draws import Draws


class Direct(FeedbackMode[FeedbackConfig]):
    """Signals s_l = B_l e with fixed random matrices B_l (n_l, n_L).

    `matrices[l - 1]` (n_L, n_l, R) is B_l^T. It is drawn with fan-in n_L and fan-out n_l. B_l replaces the product of the
    transposed weights between layer l and the output, so `match_norm` gives it the norm of that product. With one hidden layer
    this mode equals `random`; the draws are also the same if the distribution does not depend on the fans.
    """

    numerics = 1

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = []
        for layer, weight in enumerate(forward.weights[1:], start=2):
            outputs, units = len(forward.weights[-1]), weight.shape[1]
            replaces = self._product(forward.weights[layer - 1 :])
            drawn = Draws(lanes, forward, layer, replaces, fans=(outputs, units), only_one=True).next()
            self.matrices.append(self.layout.for_feedback(drawn))

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure chance angles with newly drawn matrices ("own"), because these are random and fixed."""
        return "own"

    def signal(self, layer: int, backward: Backward, out: Array) -> None:
        """Compute s_l = B_l e, where e is the error that `error` returns."""
        self.layout.propagate_back(self.matrices[layer - 1], self.error(backward), out)

    def error(self, backward: Backward) -> Array:
        """Return the error that is sent to the hidden layers, times the step: (n_L, N, R)."""
        return backward.deltas[-1]

    def effective(self, layer: int) -> Array:
        """Return the matrix that is compared with W_{l+1}, l = `layer` (Refinetti et al., 2021).

        It is B_{L-1}^T for the last weight W_L, and B_{l+1} B_l^T for all others.
        """
        if layer == len(self.matrices):
            return self.matrices[-1]
        above, below = self.matrices[layer], self.matrices[layer - 1]
        product = self.layout.empty(above.shape[1], below.shape[1], above.shape[2])
        self.layout.propagate_back(above, below, product)
        return product

    def _product(self, weights: Sequence[Array]) -> Array:
        """Return W_L ... W_{l+1}, (n_L, n_l, R)."""
        product = weights[-1]
        for weight in reversed(weights[:-1]):
            longer = self.layout.empty(len(product), weight.shape[1], product.shape[2])
            self.layout.propagate(product, weight, longer)
            product = longer
        return product


MODE = Direct
