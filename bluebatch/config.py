"""The science of a run: ``conf/*.toml`` read into frozen settings, unknown keys refused by name.

A file holds tables named like the sections of `Config` and may begin with ``extends = "default"``,
in which case its tables are laid over that file's. What a file does not say keeps the default of
the settings class.
"""

import difflib
import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import pydantic
import tomli_w

from bluebatch import errors
from bluebatch.downstream import subtype_settings

# Classes, not modules: a field named like its module would hide it.
from bluebatch.downstream.differential import DifferentialSettings
from bluebatch.downstream.gene_sets import GeneSetSettings
from bluebatch.downstream.out_of_fold import FoldSettings
from bluebatch.downstream.patterns import GroupSettings
from bluebatch.downstream.search import SearchSettings
from bluebatch.downstream.signature_settings import SignatureSettings
from bluebatch.downstream.state_settings import StateSettings
from bluebatch.downstream.subtype_settings import SubtypeSettings
from bluebatch.engine import train
from bluebatch.engine.infer import InferenceSettings
from bluebatch.engine.train import TrainingSettings
from bluebatch.expression.baselines import AnchorSettings
from bluebatch.expression.markers import MarkerSettings
from bluebatch.expression.mrna import MrnaSettings
from bluebatch.expression.panel import PanelSettings
from bluebatch.models.unmix import ModelSettings
from bluebatch.run import conf_files, slurm
from bluebatch.simulate import pseudobulk
from bluebatch.simulate.cell_types import CellTypeSettings
from bluebatch.simulate.proportions import ProportionSettings
from bluebatch.simulate.reference import ReferenceSettings
from bluebatch.simulate.settings import SimulationSettings
from bluebatch.simulate.split import SplitSettings

Part = TypeVar("Part", bound=pydantic.BaseModel)


class Config(pydantic.BaseModel):
    """All settings of a configuration, one field a section.

    Parameters
    ----------
    reference : ReferenceSettings
        How the references' files are read.
    cell_types : CellTypeSettings
        Which cell types are kept, dropped and merged.
    split : SplitSettings
        How cells are split into training, validation and test.
    proportions : ProportionSettings
        From what the proportions are drawn.
    simulation : SimulationSettings
        How many pseudobulks, of how many cells.
    markers : MarkerSettings
        How marker genes are ranked.
    panel : PanelSettings
        Which genes the model reads and predicts.
    mrna : MrnaSettings
        What is predicted, and how RNA becomes cells.
    model : ModelSettings
        Kind, widths and members of the model.
    anchor : AnchorSettings
        What the predicted profiles are anchored to.
    training : TrainingSettings
        Loss, optimiser and schedule.
    inference : InferenceSettings
        Thresholds of the results.
    subtypes : SubtypeSettings
        What of the results patients are grouped by.
    states : StateSettings
        How states of cell types are found.
    search : SearchSettings
        How definitions of patient groups are tested.
    groups : GroupSettings
        How definitions become groups.
    out_of_fold : FoldSettings
        How patients are held out.
    differential : DifferentialSettings
        How genes are tested between groups.
    gene_sets : GeneSetSettings
        Which gene sets are tested.
    signature : SignatureSettings
        How bulk signatures of groups are fitted.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    reference: ReferenceSettings = ReferenceSettings()
    cell_types: CellTypeSettings = CellTypeSettings()
    split: SplitSettings = SplitSettings()
    proportions: ProportionSettings = ProportionSettings()
    simulation: SimulationSettings = SimulationSettings()
    markers: MarkerSettings = MarkerSettings()
    panel: PanelSettings = PanelSettings()
    mrna: MrnaSettings = MrnaSettings()
    model: ModelSettings = ModelSettings()
    anchor: AnchorSettings = AnchorSettings()
    training: TrainingSettings = TrainingSettings()
    inference: InferenceSettings = InferenceSettings()
    subtypes: SubtypeSettings = SubtypeSettings()
    states: StateSettings = StateSettings()
    search: SearchSettings = SearchSettings()
    groups: GroupSettings = GroupSettings()
    out_of_fold: FoldSettings = FoldSettings()
    differential: DifferentialSettings = DifferentialSettings()
    gene_sets: GeneSetSettings = GeneSetSettings()
    signature: SignatureSettings = SignatureSettings()

    def part(self, kind: type[Part]) -> Part:
        """Take the sections that one verb is configured by.

        Parameters
        ----------
        kind : type of pydantic.BaseModel
            Settings whose fields are sections, e.g. ``pseudobulk.Settings``.

        Returns
        -------
        pydantic.BaseModel
            Of that type.

        Raises
        ------
        errors.ConfigError
            If its sections do not fit each other.
        """
        try:
            return kind(**{name: getattr(self, name) for name in kind.model_fields})
        except pydantic.ValidationError as error:
            raise errors.ConfigError(_reason(error.errors()[0]["msg"])) from error


class _Layer(NamedTuple):
    """One file, or the flags of the command line, in the order they are laid over each other."""

    source: str
    tables: dict[str, Any]


def load(name: str | pathlib.Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration.

    Parameters
    ----------
    name : str or pathlib.Path
        Bare name of a configuration that ships with bluebatch (``"pbmc"``), or path of a file.
    overrides : mapping of str to mapping, optional
        Settings by section that are laid over the file's, as flags are.

    Returns
    -------
    Config
        Checked settings.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    errors.ConfigError
        If it is not TOML, or a setting is unknown or out of range.
    """
    layers = _layers(conf_files.find(str(name), shipped()), seen=())
    if overrides:
        layers.append(_Layer("the command line", dict(overrides)))
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.tables)
    try:
        settings = Config.model_validate(merged)
    except pydantic.ValidationError as error:
        raise errors.ConfigError(_explain(error, layers)) from error
    try:
        for verb in (pseudobulk.Settings, train.Settings, subtype_settings.Settings):
            settings.part(verb)
    except errors.ConfigError as error:
        raise errors.ConfigError(f"{layers[-1].source}: {error}. Change one of them.") from error
    return settings


def show(settings: Config) -> str:
    """Write a configuration out in full.

    Parameters
    ----------
    settings : Config
        Checked settings.

    Returns
    -------
    str
        TOML that `load` reads back as the same settings; a setting without a value is left out.
    """
    return tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))


def shipped() -> list[str]:
    """List the configurations that ship with bluebatch.

    Returns
    -------
    list of str
        Bare names in alphabetical order.
    """
    return [name for name in conf_files.names() if name != slurm.SHIPPED]


def _layers(path: pathlib.Path, seen: tuple[pathlib.Path, ...]) -> list[_Layer]:
    if path.resolve() in seen:
        raise errors.ConfigError(
            f"{path}: extends itself, by way of {seen[-1].name}. Remove one of the `extends`."
        )
    tables = conf_files.parse(path)
    parent = tables.pop("extends", None)
    if parent is None:
        return [_Layer(str(path), tables)]
    if not isinstance(parent, str):
        raise errors.ConfigError(
            f"{path}: extends is {parent!r}, needed: a name or a path in quotes, "
            'as in extends = "default".'
        )
    below = _layers(conf_files.find(parent, shipped(), path.parent), (*seen, path.resolve()))
    return [*below, _Layer(str(path), tables)]


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(known, value)
        else:
            merged[key] = value
    return merged


def _explain(error: pydantic.ValidationError, layers: Sequence[_Layer]) -> str:
    details = error.errors()
    # An unknown key is the likeliest cause of anything else that is wrong: tell it first.
    first = next((item for item in details if item["type"] == "extra_forbidden"), details[0])
    location = [str(part) for part in first["loc"]]
    source = next(
        (layer.source for layer in reversed(layers) if _holds(layer.tables, location)),
        layers[-1].source,
    )
    others = "" if len(details) == 1 else f" ({len(details) - 1} more to mend after this one.)"
    if first["type"] == "extra_forbidden":
        return f"{source}: {_unknown(location)}{others}"
    key = f"[{location[0]}] {'.'.join(location[1:])}".rstrip()
    found = "" if isinstance(first["input"], Mapping) else f"found {first['input']!r}, "
    needed = _reason(first["msg"])
    return f"{source}: {key}: {found}{needed}. Change it there.{others}"


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "needed:")


def _holds(tables: Any, location: Sequence[str]) -> bool:
    for part in location:
        if not isinstance(tables, Mapping) or part not in tables:
            # The rest of the location is an element of a list or a branch of a union.
            return not isinstance(tables, Mapping)
        tables = tables[part]
    return True


def _unknown(location: Sequence[str]) -> str:
    *above, key = location
    known = _settings_at(above)
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(known)}."
    if not above:
        return f"[{key}]: there is no such section. {hint}"
    return f"[{'.'.join(above)}] {key}: there is no such setting. {hint}"


def _settings_at(location: Sequence[str]) -> list[str]:
    """Name the settings there are below a location such as section, setting, element."""
    model: type[pydantic.BaseModel] = Config
    for part in location:
        if part in model.model_fields:
            model = _model_within(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_within(annotation: Any) -> type[pydantic.BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    inner = (_model_within(argument) for argument in typing.get_args(annotation))
    return next((model for model in inner if model is not None), None)
