"""Command lines that the program must refuse with status 2 and one line, within two seconds, before it writes anything."""

BIG = "1" + "0" * 26
GRAMMAR = [
    "seed=range(nan)", "seed=range(inf)", "seed=range(0,1e400)", "train.lr=range(0,1,1e-320)", "seed=range(0,10,0)",
    "seed=range()", "seed=range(5,1)", "seed=range(0)", "seed=range(a,b)", "seed=range(1,2,3,4)", "seed=choice()",
    "seed=sort(3,1", "seed=shuffle()", "seed=interval(0,1)", "train.lr=interval(0,1)", "seed=glob(*)", "seed=nosuch(1)",
    "seed=[", "seed={", "seed='", 'seed="', "seed=1,,2", "seed=,", "=3", "seed", "seed==3", "seed=1=2", "+seed=3", "~seed",
    "~feedback", "~train.lr", "++nosuch=1", "+nosuch=1", "nosuch=1", "seed=${", "seed=${nosuch}",
    "seed=${oc.env:NO_SUCH_VARIABLE}", "seed=${seed}", "seed=${nosuch:1}", "train.lr=${train.threshold", "a.b.c.d=1",
    "seed.x=1", "model.hidden.x=1", "model.hidden[0].y=3", "feedback@x=random", "feedback=nosuch", "feedback=",
    "feedback=null", "feedback=[nan]", "task=[1]", "feedback={mode:random}", "feedback=[random,symmetric]", "task={name:xor}",
    "train=[1,2]", "init=3.5", "model=true", "train={}", "tracking=[local]", "tracking=nosuch", "init={scale:1}",
    "seed=" + "9" * 5000, "seed=" + "(" * 2000, "model.hidden=" + "[" * 2000, "seed=" + "[" * 500 + "]" * 500,
    "x" * 100_000 + "=1", "seed=\udcff", "\udcff=1", "feedback=\udc80", "tracking.experiment=\udcff", "seed=1\u00a0",
    "s\u00e9ed=1", "seed=\t", "hydra", "hydra=null", "hydra.launcher=null", "hydra.sweeper=null", "hydra.run=null",
    "hydra.sweep.dir=null", "hydra.run.dir=null", "hydra/launcher=nosuch", "hydra/sweeper=nosuch", "hydra/job_logging=nosuch",
    "hydra.mode=BOTH", "hydra.launcher.executor=nosuch", "hydra.launcher.nosuch=1", "hydra.sweeper.params=[1]",
    "hydra.output_subdir=../../../x", "hydra.searchpath=nosuch", "hydra.job=null", "hydra.searchpath=[3]",
    "hydra.run.dir=/proc/x", "hydra.run.dir=" + "x" * 300, "hydra.run.dir=/dev/null/x", "hydra.nosuch=1",
]  # fmt: skip
SWEPT = [
    "hydra.sweep.dir=/proc/x", "hydra.sweep.dir=" + "y" * 300, "seed=range(1000000000000)", "seed=range(3000000)", "seed=1,x",
    "feedback=random,nosuch", "train.lr=0.1,nan", "tracking.uri=sqlite:///a.db,sqlite:///b.db", "resume=true,false",
    "n_jobs=1,2", "seed=range(nan)", "seed=range(0)", "feedback=[random,symmetric]", "model.hidden=[3],[0]",
    "train.steps=100,0", "seed=range(0,1e400)", "hydra.launcher=null", "hydra.sweeper=null", "report=true,false",
    "dry_run=true,false", "seed=choice(1,2", "seed=choice(1,[)",
]  # fmt: skip
VALUES = [
    "seed=x", "seed=-1", "seed=1.5", "seed=nan", "seed=1e400", "seed=true", "seed=null", "seed=[1]", f"seed={BIG}{BIG}",
    "seed=0x10", "train.lr=nan", "train.lr=inf", "train.lr=-1", "train.lr=abc", "train.lr=null", "train.lr=[0.1]",
    "train.lr=1e999", "train.steps=0", "train.steps=-5", "train.steps=1.5", "train.steps=9223372036854775807",
    "train.steps=9223372036854775808", f"train.steps={BIG}", "train.steps=1000000000000", "train.batch_size=0",
    f"train.batch_size={BIG}", "train.batch_size=1.5", "model.hidden=[0]", "model.hidden=[-1]", "model.hidden=[1.5]",
    "model.hidden=[a]", "model.hidden=[[3]]", "model.hidden=[100000,100000]", "model.hidden=[9223372036854775808]",
    "model.hidden=[null]", "model.hidden=3", "model.hidden={a:1}", "model.activation=nosuch", "init.scale=-1",
    "init.scale=inf", "init.scale=null", "dtype=float16", "dtype=int64", "dtype=null", "engine=cuda", "engine=null",
    "n_jobs=0", "n_jobs=-1", "n_jobs=x", "n_jobs=1.5", f"n_jobs={BIG}", "resume=maybe", "report=maybe", "dry_run=perhaps",
    "resume=null", "tracking.history=x", "tracking.metrics=x", "train.eval_every=0", "train.eval_every=-1",
    "train.eval_at=log:x", "train.eval_at=[-1]", "train.eval_at=[a]", "train.eval_at=log:0", "train.hold=0", "train.hold=x",
    "train.threshold=nan", "train.loss=nosuch", "train.optimiser=nosuch", "feedback.mode=symmetric", "feedback.mode=rerandom",
    "feedback.mode=null", "feedback.distribution=cauchy", "feedback.sparsity=2", "feedback.sparsity=nan", "feedback.scale=nan",
    "feedback.scale=-1", "feedback.seed=x", "feedback.nosuch=1", "train.loss=cross_entropy", "task.nosuch=1",
    "task.success.value=nan", "task.success.direction=up", "lr=0.1", "seed=0..9", "model.hidden=10,10", "seed=range(5)",
    "seed=1,2", "feedback=random,symmetric", "feedback=symmetric-random",
]  # fmt: skip
TOGETHER = [
    ["feedback=rerandom", "feedback.every=0"], ["feedback=partial", "feedback.angle_deg=200"],
    ["feedback=partial", "feedback.angle_deg=nan"], ["feedback=product", f"feedback.width={BIG}"],
    ["feedback=product", "feedback.width=0"], ["feedback=target_projection", "task=linear_teacher"],
    ["-m", "train.eval_every=1", "train.steps=1000000", "seed=range(10000)"],
    ["-m", "train.steps=2000000,2000001", "train.eval_every=1"], ["task=linear_teacher", "train.epochs=3"],
    ["task=digits", "train.epochs=-1"], ["seed=1", "seed=x"], ["task=parity", "task.bits=60"], ["seed=1"] * 3000 + ["x=1"],
]  # fmt: skip
FLAGS = [
    ["--nosuch"], ["-x"], ["--package", "x"], ["--package", "_global_", "seed=1"], ["--run", "seed=1"], ["--run"], ["-r"],
    ["-p", "x"], ["--shell-completion", "query=bash"], ["-sc", "query=fish"],
    ["--config-name", "nosuch"], ["--config-name"], ["--config-dir", "/nosuch"], ["--config-dir", "/dev/null"],
    ["--config-dir"], ["--config-path", "/nosuch"], ["--cfg", "nosuch"], ["--cfg"], ["--info", "nosuch"],
    ["--experimental-rerun", "nosuch.pickle"], ["--experimental-rerun", "/dev/null"], ["--config-name", "../../etc/passwd"],
    ["--config-dir", "\udcff"], ["--config-name", "\udcff"], ["-cd"], ["--multirun=3", "seed=1"],
]  # fmt: skip
TRACKING = [
    "sqlite:////proc/x.db", "sqlite:///", "sqlite://", "ftp://127.0.0.1/x", "nonsense", "http://", "http://[", "postgresql://",
    "file:///x", "sqlite:////dev/null/x.db", "sqlite:///" + "x" * 300, "http://127.0.0.1:99999", "http://127.0.0.1:port", "''",
    "null", "[]", "mysql://", "sqlite:///\udcff.db", "http:// /", "sqlite:////proc/self/mem", "databricks://x",
    "s3://bucket/x",
]  # fmt: skip
ANALYSIS = [
    ["--uri", "nonsense", "--experiment", "x"], ["--experiment", "x"], ["--sweep", "nosuch"], ["--out", "/proc/x"],
    ["--format", "pdf"], [], ["--uri", "sqlite:///nosuch.db"], ["--sweep", "a", "--sweep", "b"], ["--nosuch"],
    ["--sweep", "/proc/self"], ["--uri", "http://["], ["--experiment", "it's"], ["--sweep", "\udcff"], ["--format", ""],
    ["--experiment", ""], ["--sweep", ""], ["x"], ["--out", "/dev/null"],
]  # fmt: skip
