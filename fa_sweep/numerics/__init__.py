"""The arithmetic of stacked networks: random streams, memory layouts, losses, activations, optimisers, angles."""
