"""A sweep of 1,000 runs in a notebook: a progress bar, the summary as HTML, and the frames."""

import nbformat
from nbclient import NotebookClient

CELLS = [
    "import fa_sweep as fa\n"
    "words = ['train.steps=101', 'train.eval_every=50', 'train.hold=2']\n"
    "result = fa.sweep(*words, feedback=['symmetric', 'random'], seed=range(500))",
    "result",
    "print(len(result.runs), len(result.histories), len(fa.runs('seed < 3')))",
    "result.plot.survival()",
]


def test_a_thousand_runs(with_database):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(with_database)}}).execute()
    trained, shown, printed, drawn = (cell["outputs"] for cell in notebook.cells)
    assert [output["output_type"] for output in trained] == ["display_data"]  # the progress bar, and no other line
    assert "1000 of 1000 runs" in trained[0]["data"]["text/html"]
    assert "1000 of 1000 runs in 2 groups" in shown[0]["data"]["text/html"]
    assert printed[0]["text"] == "1000 3000 6\n"
    assert "image/png" in drawn[0]["data"]
