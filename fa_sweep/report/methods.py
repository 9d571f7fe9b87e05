"""The methods of a report in words, as its last section lists them."""

ALWAYS = (
    "The unit is a run. A group is one combination of all swept factors except the seed, and n is its number of runs. Some "
    "groups are the same set of trainings, for example if their mode ignores the setting in which they differ, or if the "
    "same runs are judged by two criteria. Such groups are not tested against each other.",
    "First reach: the first evaluation that meets the criterion. At the end: the last evaluation meets it. Converged: from "
    "some evaluation on, all evaluations meet it, to the end and at least train.hold of them. Diverged: the output or the "
    "loss became non-finite. A diverged run never counts as converged, whatever came before.",
    "Angles lie between 0 and 180 degrees, because the cosine keeps its sign. They are measured over the whole evaluation "
    "set with the current weights. An angle is undefined if either vector is zero or non-finite. Undefined angles are left "
    "out and counted.",
)
# Of sweeps whose number of seeds was decided beforehand.
METHODS = (
    *ALWAYS,
    "Fractions have Wilson's 95 % interval. Time to convergence is estimated by Kaplan-Meier with log-log bands, and with "
    "Wilson's interval where these are undefined. The bands are pointwise: each holds for one step. Runs that never "
    "converge, including diverged runs, are censored at the horizon, the last step at which convergence could begin. The "
    "median time is where the curve reaches one half, or the middle of a flat stretch at one half. Its interval is "
    "Brookmeyer and Crowley's, and needs at least six runs.",
    "The restricted mean time is the mean in which a run that never converged counts with the horizon. Its interval "
    "combines Wilson's interval for the fraction of such runs with a score interval for the mean time of the others "
    "(MOVER), and needs at least five runs. All other medians have intervals between order statistics, which need at least "
    "six runs.",
    "The interquartile mean (IQM) is the mean of the middle half of the runs; a run on the border of that half counts in "
    "part. Its interval is a percentile bootstrap with 9,999 resamples over seeds. There is none below twenty runs, and it "
    "is only approximate below thirty. The final accuracy of a diverged run counts as 0, and its final loss or error as "
    "infinite.",
    "Groups with the same seeds: McNemar's exact test compares fractions, with Newcombe's interval for paired fractions "
    "(1998, method 10). Wilcoxon's signed-rank test (Pratt, by permutation) compares times and final values.",
    "Groups without shared seeds: Fisher's exact test compares fractions, with Newcombe's hybrid score interval. The "
    "log-rank test by permutation compares times. A permutation test compares the means of final values.",
    "Groups with some shared seeds: permutation tests compare all runs. They swap the runs within pairs and deal the other "
    "runs anew to the two groups. For fractions, these tests are exact.",
    "The interval of a difference of restricted means combines the intervals of the two means (MOVER) with the correlation "
    "of the pairs. The interval of a difference of final means is Student's for pairs and Welch's without shared seeds. If "
    "only some seeds are shared, it combines the intervals of the two means like that of restricted means. It is only "
    "approximate below thirty runs.",
    "An outcome is convergence (the fraction and the time), or one number of each run: a metric at the last evaluation (end), "
    "its best value over all evaluations (best), or the area under its curve over the steps by the trapezoid rule, divided by "
    "the span of the steps (area), which is the mean over the training. Unless the outcomes were stated, the primary outcome "
    "is convergence, or the final value of the success metric if convergence cannot distinguish the groups. A best value is "
    "chosen on the data that it is measured on, unless these are validation data. A diverged run counts with the worst value "
    "in all three: 0 for accuracies, infinite for losses and errors. If a mean is infinite, medians are compared.",
    "The median of paired differences has an exact interval between order statistics. The probability of improvement is the "
    "probability that a run of the group is better than a run of the reference, plus half the probability that they are "
    "equal. In paired designs it refers to runs with the same seed, with Tango's score interval; otherwise to all pairs of "
    "runs, with a score interval after Newcombe (2006, method 5), widened if the groups have different spreads. If some "
    "seeds are shared, that interval treats the runs as unpaired.",
    "Each interval and each p value refers to one comparison by itself, at the level of 95 % or 5 %, respectively. Beside "
    "each p value stands its value after Holm's correction over its family of tests: all p values of the same table. The "
    "comparisons of the primary outcome are one family. Each secondary outcome has a table and a family of its own, and its "
    "results need confirmation by other sweeps. A difference is called significant if the corrected p value is below 5 %. A "
    "difference that is not significant may still exist.",
    "Groups are called equivalent only if a margin is stated, and two one-sided tests (TOST) show that the difference lies "
    "within it: for fractions by inverting the interval of the difference, for means Student's for pairs and Welch's without "
    "shared seeds, and for medians of paired differences by sign tests, which are exact. If the values are strongly skewed, "
    "the tests of means show equivalence too easily: docs/statistics.md has the rates. Holm's correction is over the tests of "
    "the table.",
    "docs/statistics.md shows how often each interval covers the truth, and how often each test rejects, in simulations.",
)
