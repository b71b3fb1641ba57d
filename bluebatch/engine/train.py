"""Training: a store and settings become a model folder."""

import datetime
import hashlib
import json
import pathlib
from typing import Any, NamedTuple

import pydantic
import torch

from bluebatch import errors
from bluebatch.engine import (
    checkpoint,
    curve,
    distributed,
    fit,
    folders,
    kinds,
    optimise,
    precision,
    predict,
    provision,
    rehearsal,
    task,
    train_summary,
    unmix,
)
from bluebatch.run import partition
from bluebatch.run.preview import Preview
from bluebatch.store import digests, files, model_folder, outputs, places, read, write

TrainingSettings = optimise.TrainingSettings
Options = task.Options
TrainSummary = train_summary.TrainSummary


class Settings(unmix.Settings):
    """All that decides what is learnt.

    Parameters
    ----------
    training : TrainingSettings
        How networks are fitted; the rest belongs to the kind of model.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    training: TrainingSettings = optimise.TrainingSettings()


def run(
    store: str | places.Place,
    out: str | places.Place,
    settings: Settings | None = None,
    options: Options | None = None,
) -> TrainSummary:
    """Train a model of the kind that the settings name.

    Under ``torchrun`` every process calls this, and the first one writes.

    Parameters
    ----------
    store : str, pathlib.Path or upath.UPath
        Training store.
    out : str, pathlib.Path or upath.UPath
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
    errors.ResourceError
        If the run does not fit the memory that it may use.
    errors.IncompleteError
        If the run was stopped, or the disk is full; it can be resumed.
    """
    seconds = partition.timer()
    options = options or Options()
    with distributed.group(options.device):
        asked = _ask(store, out, settings, options)
        folder = asked.folder
        state = folders.look(folder, asked.plan, options)
        # No process writes before all have looked.
        distributed.barrier()
        if state == "complete":
            return TrainSummary(str(out), state, model_folder.read_card(folder), seconds())
        learner = asked.outline()
        chosen = asked.settle(learner)
        learner = learner.learn(asked.store)
        if state == "new" and distributed.is_first():
            # Only now: what is wrong with the inputs was told while the old folder still stood.
            folders.make(folder, asked.plan)
        distributed.barrier()
        with folders.going_on(folder, options):
            rows = _fit(learner, asked, chosen)
    if distributed.is_first():
        with folders.going_on(folder, options):
            curve.save(folder, rows)
            learner = judge(learner, asked.store, folder, options)
            finish(folder, learner, {**asked.plan, "trained_from": str(store)})
    return TrainSummary(str(out), state, learner.card, seconds())


def preview(
    store: str | places.Place,
    out: str | places.Place,
    settings: Settings | None = None,
    options: Options | None = None,
) -> Preview:
    """Tell what `run` would do, and write nothing.

    Parameters
    ----------
    store : str, pathlib.Path or upath.UPath
        Training store.
    out : str, pathlib.Path or upath.UPath
        Model folder.
    settings : Settings, optional
        All that decides what is learnt.
    options : Options, optional
        Of the run.

    Returns
    -------
    Preview
        Sizes, memory, and the time estimated from a few steps.

    Raises
    ------
    errors.OutputExistsError
        If something else, or an unfinished run, stands at ``out``.
    errors.ResourceError
        If the run does not fit the memory that it may use.
    """
    asked = _ask(store, out, settings, options)
    state = folders.look(asked.folder, asked.plan, asked.options)
    learner = asked.outline()
    planned = rehearsal.Planned(
        learner,
        asked.store,
        asked.settings.training,
        asked.settle(learner),
        asked.device,
        str(out),
    )
    return rehearsal.tell(planned, state)


def judge(
    learner: task.Task, store: read.Store, folder: places.Place, options: Options
) -> task.Task:
    """Score the members that were fitted.

    Parameters
    ----------
    learner : task.Task
        Kind of model, with its card.
    store : read.Store
        Training store.
    folder : pathlib.Path or upath.UPath
        Model folder with the members' weights.
    options : Options
        Device and seed.

    Returns
    -------
    task.Task
        With its scores.
    """
    # Scored in fp32 whatever the precision of training was: the same on every machine.
    device = distributed.pick_device(options.device)
    networks = kinds.load_networks(learner, folder)
    return learner.judge(store, predict.Predictor(networks, device=device, seed=options.seed))


class _Asked(NamedTuple):
    """What is asked for, checked as far as no sample has to be read."""

    store: read.Store
    folder: places.Place
    settings: Settings
    options: Options
    device: torch.device
    plan: dict[str, Any]

    def outline(self) -> task.Task:
        kind = kinds.find(self.settings.model.kind)
        return kind.outline(self.store, self.settings, self.options)

    def settle(self, learner: task.Task) -> provision.Provision:
        training, budget = self.settings.training, self.options.max_memory
        return provision.settle(learner, self.store, training, self.device, budget)


def _ask(
    store: str | places.Place,
    out: str | places.Place,
    settings: Settings | None,
    options: Options | None,
) -> _Asked:
    settings, options = settings or Settings(), options or Options()
    device = distributed.pick_device(options.device)
    precision.set_up(device, options.threads)
    training = distributed.whole_parts(settings.training)
    settings = settings.model_copy(update={"training": training})
    kind = kinds.find(settings.model.kind)
    inputs = [store, options.cohort, options.genes, options.mrna_content]
    outputs.check(out, inputs, overwrite=options.overwrite)
    opened = read.open_store(store, *kind.learns_from)
    plan = make_plan(opened, settings, options)
    return _Asked(opened, places.place(out), settings, options, device, plan)


def _fit(learner: task.Task, asked: _Asked, chosen: provision.Provision) -> list[dict[str, Any]]:
    training = asked.settings.training
    feeds = provision.open_feeds(learner, asked.store, training, chosen)
    return fit.Trainer(learner, feeds, asked.folder, training, asked.options).fit_all()


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
        "store_digest": digests.of_store(store.path),
        "cohort_digest": digests.of_store(options.cohort) if options.cohort else None,
        **{name: _file_digest(path) for name, path in lists.items()},
    }
    text = json.dumps(plan, sort_keys=True)
    return {**plan, "run_id": hashlib.sha256(text.encode()).hexdigest()[:16]}


def finish(folder: places.Place, learner: task.Task, made_from: dict[str, Any]) -> None:
    """Write the card, which makes the folder a model, and remove the checkpoints.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
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
