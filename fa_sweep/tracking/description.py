"""Write the descriptions that MLflow shows of a sweep: its command, its results in short, and links."""

import json
import re
from collections.abc import Container, Mapping, Sequence
from urllib.parse import quote

from fa_sweep.sweeping.folder import Sweep
from fa_sweep.tracking import limits, tagnames
from fa_sweep.tracking.groups import MOST_GROUPS, grouped

END = "\n\n---\n"  # what users write below this line stays when the description is written again
BY_NAME = f"orderByKey={quote('tags.`mlflow.runName`', safe='')}&orderByAsc=true"
TRAINING = "workflowType=machine_learning"  # otherwise MLflow may show the menus for language models
LONGEST_COMMAND = 800
LONGEST_FINDING = 300
MOST_FINDINGS = 5


def description(
    tags: Mapping[str, str],
    sweep: Sweep,
    finished: Container[str],
    links: Sequence[tuple[str, str]],
    findings: Sequence[str] = (),
) -> str:
    """Return the description of a sweep's parent run, in Markdown.

    Args:
        tags: The parent's tags. If they have a description already, what users wrote below ours, or in its place, is kept.
        sweep: The sweep.
        finished: The ids of the finished runs.
        links: Texts and addresses of links, in order.
        findings: The report's main results as sentences, the most important first.
    """
    command = tags[tagnames.COMMAND]
    if len(command) > LONGEST_COMMAND:
        command = f"{command[:LONGEST_COMMAND]}... (whole in the tag {tagnames.COMMAND!r})"
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", command)), default=0))
    # MLflow folds away all but the first few lines.
    heading = f"{_counts(int(tags[tagnames.REUSED]), sweep, finished)} "
    parts = [heading + " · ".join(f"[{text}]({address})" for text, address in links)]
    if findings:
        parts.append("\n".join(f"- {_escaped(text)}" for text in findings[:MOST_FINDINGS]))
    parts.append(f"{fence}\n{command}\n{fence}")
    own, line, below = tags.get(tagnames.NOTE, "").partition(END)
    kept = below if line else own
    text = limits.clean("\n\n".join(parts)) + END
    return (text + kept)[: limits.VALUE]


def runs_page(experiment_ids: Sequence[str], tags: dict[str, str], *, charts: bool = False) -> str:
    """Return the address, within MLflow's pages, of the table or the charts of the runs that have these tags.

    The runs are sorted by name. Sorted by time, which is the default, they would be folded away under their parent, and charts
    leave out folded runs.

    Args:
        experiment_ids: The ids of the experiments that hold the runs.
        tags: The tags and values that the runs have.
        charts: Whether the page shows charts and not the table.
    """
    condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    asked = f"searchFilter={quote(condition, safe='')}&{BY_NAME}&{TRAINING}" + ("&compareRunsMode=CHART" if charts else "")
    if len(experiment_ids) == 1:
        return f"#/experiments/{experiment_ids[0]}/runs?{asked}"
    return f"#/compare-experiments/s?experiments={quote(json.dumps(list(experiment_ids)), safe='')}&{asked}"


def artifact_page(experiment_id: str, run_id: str, path: str) -> str:
    """Return the address, within MLflow's pages, of an artifact of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{path}?{TRAINING}"


def _counts(reused: int, sweep: Sweep, finished: Container[str]) -> str:
    jobs, groups, failures = sweep.jobs, len(grouped(sweep.jobs)), sweep.failures
    absent = [job.run_id for job in jobs if job.run_id not in finished]
    failed = sum(run_id in failures for run_id in absent)
    said = f"{len(jobs):,} runs in {groups} groups" if groups > 1 else f"{len(jobs):,} runs"
    counts = {
        "of which earlier sweeps had trained {}": reused,
        "{} failed": failed,
        "{} missing (the same command trains them)": len(absent) - failed,
    }
    said += "".join(f", {what.format(f'{count:,}')}" for what, count in counts.items() if count) + "."
    if groups > MOST_GROUPS:
        said += f" Charts show at most {MOST_GROUPS} groups, so this sweep has none; its report shows all groups."
    return said


def _escaped(text: str) -> str:
    shown = text
    if len(text) > LONGEST_FINDING:
        whole, stop, _ = text[:LONGEST_FINDING].rpartition(". ")
        shown = whole + stop if whole else f"{text[:LONGEST_FINDING]}..."
    return re.sub(r"([\\`*_<>\[\]#|])", r"\\\1", " ".join(shown.split()))
