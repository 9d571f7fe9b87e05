"""How many seeds a sweep needs: plans made before it, and rules that decide during it when to stop."""

ALPHA = 0.05  # the largest probability of an error of a rule or a test
POWER = 0.8  # the probability that a planned test finds what it was planned for
