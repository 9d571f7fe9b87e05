"""The main job's training in JAX, compiled, in float64: `scan` over the steps and `vmap` over the runs."""

import time
from collections.abc import Callable

LR = 0.01


def make(runs: int, steps: int) -> tuple[Callable[[], object], float]:
    """Compile the training of runs with fixed random feedback.

    Args:
        runs: the number of runs.
        steps: the number of training steps per run.

    Returns:
        A function that draws the initial weights and trains all runs, and the seconds that compiling it took.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    shapes = ((10, 2), (10, 10), (1, 10))
    inputs = jnp.asarray([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    targets = jnp.asarray([1.0, 1.0, 0.0, 0.0])

    def train(seed):
        init, fixed, order = jax.random.split(jax.random.key(seed), 3)
        weights = tuple(jax.random.normal(k, s) for k, s in zip(jax.random.split(init, 3), shapes, strict=True))
        b2, b3 = (jax.random.normal(k, s) for k, s in zip(jax.random.split(fixed), shapes[1:], strict=True))

        def step(w, i):
            w1, w2, w3 = w
            x = inputs[i]
            h1 = jax.nn.relu(w1 @ x)
            h2 = jax.nn.relu(w2 @ h1)
            y = w3 @ h2
            error = jnp.where(y > targets[i], 1.0, -1.0)
            d2 = (b3.T @ error) * (h2 > 0)
            d1 = (b2.T @ d2) * (h1 > 0)
            return (w1 - LR * jnp.outer(d1, x), w2 - LR * jnp.outer(d2, h1), w3 - LR * jnp.outer(error, h2)), jnp.isfinite(y)

        weights, finite = jax.lax.scan(step, weights, jax.random.randint(order, (steps,), 0, 4))
        return weights, finite.all()

    seeds = jnp.arange(runs)
    started = time.perf_counter()
    compiled = jax.jit(jax.vmap(train)).lower(seeds).compile()
    seconds = time.perf_counter() - started
    return lambda: jax.block_until_ready(compiled(seeds)), seconds
