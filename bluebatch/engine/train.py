"""Training: a store and settings become a model folder."""

import dataclasses
import datetime
import hashlib
import json
import pathlib
from typing import Any, Literal

import pydantic

from bluebatch import errors
from bluebatch.engine import (
    checkpoint,
    curve,
    fit,
    folders,
    kinds,
    optimise,
    precision,
    predict,
    task,
    unmix,
)
from bluebatch.run import partition
from bluebatch.store import files, model_folder, outputs, read, write

TrainingSettings = optimise.TrainingSettings
Options = task.Options


class Settings(unmix.Settings):
    """All that decides what is learnt.

    Parameters
    ----------
    training : TrainingSettings
        How networks are fitted; the rest belongs to the kind of model.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    training: TrainingSettings = optimise.TrainingSettings()


@dataclasses.dataclass(frozen=True)
class TrainSummary:
    """What a training run did.

    Parameters
    ----------
    path : str
        Model folder.
    state : {"new", "resumed", "complete"}
        What was found there.
    card : model_folder.Card
        What the model is.
    seconds : float
        Wall time.
    """

    path: str
    state: Literal["new", "resumed", "complete"]
    card: model_folder.Card
    seconds: float

    def as_text(self) -> str:
        """Describe the run for a terminal.

        Returns
        -------
        str
            A few lines.
        """
        if self.state == "complete":
            return f"{self.path}: already complete"
        sizes = ", ".join(f"{len(names):,} {axis}" for axis, names in self.card.labels.items())
        resumed = " (resumed)" if self.state == "resumed" else ""
        lines = [
            f"{self.path}: {len(self.card.members)} networks in {self.seconds:.0f} s{resumed}",
            f"  {sizes}",
        ]
        lines += [
            f"  {name}: {'none' if value is None else format(value, '.3f')}"
            for name, value in self.card.scores.get("headline", {}).items()
        ]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Describe the run in JSON values.

        Returns
        -------
        dict
            Path, state, seconds, sizes and scores.
        """
        return {
            "path": self.path,
            "state": self.state,
            "seconds": round(self.seconds, 2),
            "members": len(self.card.members),
            "sizes": {axis: len(names) for axis, names in self.card.labels.items()},
            "scores": self.card.scores,
        }


def run(
    store: str | pathlib.Path,
    out: str | pathlib.Path,
    settings: Settings | None = None,
    options: Options | None = None,
) -> TrainSummary:
    """Train a model of the kind that the settings name.

    Parameters
    ----------
    store : str or pathlib.Path
        Training store.
    out : str or pathlib.Path
        Model folder to be made.
    settings : Settings, optional
        All that decides what is learnt.
    options : Options, optional
        Seed, resources, and what to do about something at ``out``.

    Returns
    -------
    TrainSummary
        What was done.

    Raises
    ------
    errors.OutputExistsError
        If something else, or an unfinished run, stands at ``out``.
    errors.ChangedInputError
        If an unfinished run to be resumed was of other settings or inputs.
    errors.IncompleteError
        If the run was stopped, or the disk is full; it can be resumed.
    """
    settings, options = settings or Settings(), options or Options()
    seconds = partition.timer()
    precision.set_up(precision.pick_device(options.device), options.threads)
    kind = kinds.find(settings.model.kind)
    inputs = [store, options.cohort, options.genes, options.mrna_content]
    outputs.check(out, inputs, overwrite=options.overwrite)
    opened = read.open_store(store, *kind.learns_from)
    plan = make_plan(opened, settings, options)
    folder = pathlib.Path(out)
    state = folders.look(folder, plan, options)
    if state == "complete":
        return TrainSummary(str(out), state, model_folder.read_card(folder), seconds())
    learner = kind.learn(opened, settings, options)
    if state == "new":
        # Only now: what is wrong with the inputs has been told, and the old folder still stood.
        folders.make(folder, plan)
    with folders.going_on(folder, options):
        learner = fit_and_judge(learner, opened, folder, settings.training, options)
        finish(folder, learner, {**plan, "trained_from": str(store)})
    return TrainSummary(str(out), state, learner.card, seconds())


def fit_and_judge(
    learner: task.Task,
    store: read.Store,
    folder: pathlib.Path,
    settings: TrainingSettings,
    options: Options,
) -> task.Task:
    """Fit all members of any kind of model, write their weights, and score them.

    Parameters
    ----------
    learner : task.Task
        Kind of model, with its card.
    store : read.Store
        Training store.
    folder : pathlib.Path
        Model folder.
    settings : TrainingSettings
        How.
    options : Options
        Seed and resources.

    Returns
    -------
    task.Task
        With its scores.
    """
    trainer = fit.Trainer(learner, store, folder, settings, options)
    rows = trainer.fit_all()
    curve.save(folder, rows)
    networks = kinds.load_networks(learner, folder)
    # Scored in fp32 whatever the precision of training was: the same on every machine.
    predictor = predict.Predictor(networks, device=trainer.device, seed=options.seed)
    return learner.judge(store, predictor)


def make_plan(store: read.Store, settings: Settings, options: Options) -> dict[str, Any]:
    """Name all that decides the trained weights.

    Parameters
    ----------
    store : read.Store
        Training store.
    settings : Settings
        Resolved configuration.
    options : Options
        Of the run.

    Returns
    -------
    dict
        JSON values, with their digest as ``run_id``.
    """
    lists = {"genes": options.genes, "mrna_content": options.mrna_content}
    plan: dict[str, Any] = {
        "settings": settings.model_dump(mode="json"),
        "seed": options.seed,
        "store_digest": read.digest(store.path),
        "cohort_digest": read.digest(options.cohort) if options.cohort else None,
        **{name: _file_digest(path) for name, path in lists.items()},
    }
    text = json.dumps(plan, sort_keys=True)
    return {**plan, "run_id": hashlib.sha256(text.encode()).hexdigest()[:16]}


def finish(folder: pathlib.Path, learner: task.Task, made_from: dict[str, Any]) -> None:
    """Write the card, which makes the folder a model, and remove the checkpoints.

    Parameters
    ----------
    folder : pathlib.Path
        Model folder.
    learner : task.Task
        Scored.
    made_from : dict
        The plan, and where the store stood.
    """
    known = {name: value for name, value in made_from.items() if name != "settings"}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    known |= {"date": today, "versions": partition.versions()}
    model_folder.write_card(
        folder,
        learner.card.model_copy(
            update={
                "made_from": {**learner.card.made_from, **known},
                "bluebatch_version": partition.versions()["bluebatch"],
            }
        ),
        learner.arrays,
    )
    write.clear(folder / checkpoint.FOLDER)


def _file_digest(path: pathlib.Path | None) -> str | None:
    if path is None:
        return None
    try:
        return files.file_digest(pathlib.Path(path))
    except OSError as error:
        raise errors.MissingInputError(
            f"{path}: cannot be read ({error.strerror}). Check the path."
        ) from error
