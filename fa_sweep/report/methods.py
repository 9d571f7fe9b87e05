"""The methods of a report in words, as its last section lists them."""

METHODS = (
    "The unit is a run. A group is one combination of all swept factors except the seed, and n is its number of runs. Some "
    "groups are the same set of trainings, for example if their mode ignores the setting in which they differ, or if the "
    "same runs are judged by two criteria. Such groups are not tested against each other.",
    "First reach: the first evaluation that meets the criterion. At the end: the last evaluation meets it. Converged: from "
    "some evaluation on, all evaluations meet it, to the end and at least train.hold of them. Diverged: the output or the "
    "loss became non-finite. A diverged run never counts as converged, whatever came before.",
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
    "Each interval and each p value refers to one comparison by itself, at the level of 95 % or 5 %, respectively. Beside "
    "each p value stands its value after Holm's correction over all p values of the same table. Final values have a table "
    "of their own. A difference is called significant if the corrected p value is below 5 %. A difference that is not "
    "significant may still exist.",
    "docs/statistics.md shows how often each interval covers the truth, and how often each test rejects, in simulations.",
    "Angles lie between 0 and 180 degrees, because the cosine keeps its sign. They are measured over the whole evaluation "
    "set with the current weights. An angle is undefined if either vector is zero or non-finite. Undefined angles are left "
    "out and counted.",
)
