"""What the queue is asked for, and what is told where there is none."""

import importlib
import pathlib
import tomllib
import types
from typing import Any

import pytest

from bluebatch import errors
from bluebatch.run import conf_files, slurm

SETTINGS = slurm.SlurmSettings(
    cores=6,
    memory="3GiB",
    walltime="00:20:00",
    queue="short",
    account="lab",
    prologue=("module load python",),
    directives=("--gres=gpu:1",),
)


@pytest.fixture
def own(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "own.toml"


def refusal(path: pathlib.Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(errors.ConfigError) as caught:
        slurm.load(str(path))
    return str(caught.value)


def test_load__what_ships_holds_the_settings_own_defaults() -> None:
    assert slurm.load("slurm") == slurm.SlurmSettings()


def test_load__what_ships_names_every_setting() -> None:
    text = (conf_files.folder() / "slurm.toml").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    named = tomllib.loads("\n".join(line.split("#")[0] for line in lines))
    assert named.keys() == slurm.SlurmSettings.model_fields.keys()


def test_load__a_file_of_ones_own(own: pathlib.Path) -> None:
    own.write_text('queue = "short"\nworkers = 9\n')
    assert slurm.load(str(own)) == slurm.SlurmSettings(queue="short", workers=9)


def test_load__an_unknown_setting(own: pathlib.Path) -> None:
    assert refusal(own, 'qeue = "short"\n') == (
        f"{own}: qeue: there is no such setting. Did you mean 'queue'?"
    )
    assert "Known here: workers, cores, memory, " in refusal(own, "zzz = 1\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cores = 0", "cores: found 0, needed: greater than or equal to 1"),
        ('memory = "much"', "memory: found 'much', needed: a number and a unit, e.g. 8GB"),
        ("cores = = 1", "is not valid TOML"),
    ],
)
def test_load__a_wrong_value(own: pathlib.Path, text: str, words: str) -> None:
    assert words in refusal(own, text)


def test_load__an_absent_file() -> None:
    with pytest.raises(errors.MissingInputError, match=r"none\.toml: .* ship .*: slurm\."):
        slurm.load("none.toml")


def test_start__says_how_to_install_dask_jobqueue(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> types.ModuleType:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with (
        pytest.raises(errors.ResourceError, match=r"pip install 'bluebatch\[slurm\]'"),
        slurm.start(SETTINGS, None),
    ):
        pass


def test_start__needs_sbatch(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.ResourceError, match="no `sbatch` here"), slurm.start(SETTINGS, 1):
        pass


def test_start__a_queue_that_refuses_the_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: no partition short' >&2\nexit 1\n"
    )
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(errors.ResourceError, match=r"refuses the workers' job \(no partition short"),
        slurm.start(SETTINGS, 1),
    ):
        pass


def test_start__asks_for_what_is_configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    # An sbatch that keeps what it is given, then fails so that nothing is submitted.
    (tmp_path / "sbatch").write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/script\nexit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.ResourceError), slurm.start(SETTINGS, 1):
        pass
    lines = (tmp_path / "script").read_text().splitlines()
    asked = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")}
    assert {"-p short", "-A lab", "-n 1", "--cpus-per-task=6", "--mem=3G"} <= asked
    assert {"-t 00:20:00", "--gres=gpu:1"} <= asked
    assert "module load python" in lines
    assert "export OMP_NUM_THREADS=6" in lines
    # One Dask thread, which may use all six cores.
    assert "--nthreads 1" in lines[-1]
    assert (tmp_path / "slurm-logs").is_dir()


@pytest.mark.parametrize(
    ("squeue", "joined", "warned"),
    [
        ("exit 0", {}, True),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", {}, True),
        ("echo '17 cpu bluebatch root PD'", {}, False),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", {}, False),
        ("exit 0", {"tcp://a:1": {}}, False),
    ],
    ids=["ended", "forgotten", "waiting", "no answer", "one has joined"],
)
def test_look__warns_where_nobody_is_left(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
    squeue: str,
    joined: dict[str, object],
    warned: bool,
) -> None:
    (tmp_path / "squeue").write_text(f"#!/bin/sh\n{squeue}\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    jobs = {"a": types.SimpleNamespace(job_id="17")}
    cluster: Any = types.SimpleNamespace(workers=jobs, scheduler_info={"workers": joined})
    slurm._look(cluster, "logs")
    assert ("none of the jobs 17 is in the queue" in caplog.text) == warned
