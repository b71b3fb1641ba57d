"""Every array of every store, declared once: name, axes, type, unit, chunk rule, meaning.

The stores are the contract between stages, so writing and opening both check against this page.
A new kind of model adds its results as one more `StoreSpec`.
"""

import dataclasses

FORMAT_VERSION = 1
ROWS_PER_CHUNK = 256
# Of a folder of subtypes.
SUBTYPES_STORE = "subtypes.zarr"

Dims = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ArraySpec:
    """One array of a store.

    Parameters
    ----------
    name : str
        Name in the store.
    dims : tuple of str
        Axes in order. The first is the store's row axis where the array has one row a row.
    dtype : str
        NumPy name, or ``"str"`` for variable-length text.
    unit, meaning : str
        Written into the array's attributes.
    chunks : tuple of int or None
        Largest extent of a chunk along each axis; None takes the whole axis.
    optional : bool
        Whether a store may do without.
    dtypes : tuple of str
        Further types that are accepted.
    """

    name: str
    dims: Dims
    dtype: str
    unit: str
    meaning: str
    chunks: tuple[int | None, ...]
    optional: bool = False
    dtypes: tuple[str, ...] = ()

    def chunk_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Fill in the whole-axis extents of the chunk rule.

        Parameters
        ----------
        shape : tuple of int
            Shape of the array.

        Returns
        -------
        tuple of int
            Shape of a chunk, at least 1 and at most the axis along each axis.
        """
        sizes = zip(self.chunks, shape, strict=True)
        return tuple(max(1, size if rule is None else min(rule, size)) for rule, size in sizes)


@dataclasses.dataclass(frozen=True)
class StoreSpec:
    """One kind of store.

    Parameters
    ----------
    kind : str
        The root attribute ``kind``.
    row : str
        The axis along which the store grows, is cut into blocks and partitions.
    arrays : tuple of ArraySpec
        What the store holds.
    """

    kind: str
    row: str
    arrays: tuple[ArraySpec, ...]

    def array(self, name: str) -> ArraySpec:
        """Look one array up.

        Parameters
        ----------
        name : str
            Name of an array of this kind of store.

        Returns
        -------
        ArraySpec
            Its declaration.

        Raises
        ------
        KeyError
            If the kind has no such array.
        """
        return {spec.name: spec for spec in self.arrays}[name]


def _by_row(
    name: str, dims: Dims, dtype: str, unit: str, meaning: str, *, optional: bool = False
) -> ArraySpec:
    chunks = (ROWS_PER_CHUNK, *[None] * (len(dims) - 1))
    return ArraySpec(name, dims, dtype, unit, meaning, chunks, optional)


def _whole(name: str, dims: Dims, dtype: str, unit: str, meaning: str) -> ArraySpec:
    return ArraySpec(name, dims, dtype, unit, meaning, (None,) * len(dims), optional=True)


def _by_type_and_gene(
    name: str, genes: str, meaning: str, *dtypes: str, optional: bool = False
) -> ArraySpec:
    # One cell type of 256 samples a chunk: blocks of samples and single cell types both read fast.
    dims = ("sample", "cell_type", genes)
    chunks = (ROWS_PER_CHUNK, 1, None)
    return ArraySpec(name, dims, "float32", "log2(1 + CPM)", meaning, chunks, optional, dtypes)


def _profile(genes: str, *dtypes: str) -> ArraySpec:
    meaning = "expression of each cell type in each sample; NaN where the type is absent"
    return _by_type_and_gene("profile", genes, meaning, *dtypes)


_BULK = (
    _by_row(
        "expression", ("sample", "gene"), "float32", "see attribute unit", "bulk expression, linear"
    ),
    _by_row("library_size", ("sample",), "float64", "as expression", "sum over all measured genes"),
)
_FRACTIONS = (
    _by_row("proportion", ("sample", "cell_type"), "float32", "fraction of cells", "rows sum to 1"),
    _by_row("rna_fraction", ("sample", "cell_type"), "float32", "fraction of RNA", "rows sum to 1"),
)

COHORT = StoreSpec(
    "cohort",
    "sample",
    (
        *_BULK,
        _by_row("patient", ("sample",), "str", "", "patient of each sample", optional=True),
    ),
)

PSEUDOBULK = StoreSpec(
    "pseudobulk",
    "sample",
    (
        *_BULK,
        *_FRACTIONS,
        _by_row("n_cells", ("sample", "cell_type"), "int32", "cells", "cells drawn"),
        _profile("profile_gene"),
        _by_row("split", ("sample",), "str", "", "train, validation or test"),
        _by_row("source", ("sample",), "str", "", "the reference drawn from, or mixed"),
        _by_row(
            "twin",
            ("sample",),
            "str",
            "",
            "test samples: the sample drawn from other cells of the pool in the same numbers",
        ),
        _whole(
            "marker_log_fold_change",
            ("reference", "cell_type", "gene"),
            "float32",
            "log2",
            "type against the rest, Wilcoxon rank-sum on training cells",
        ),
        _whole(
            "marker_adjusted_p",
            ("reference", "cell_type", "gene"),
            "float32",
            "",
            "Benjamini-Hochberg adjusted p of the same test",
        ),
        _whole(
            "cell_library_size",
            ("reference", "cell_type"),
            "float64",
            "counts per cell",
            "mean over training cells; NaN where the reference lacks the type",
        ),
    ),
)

PROFILE = StoreSpec(
    "profile",
    "sample",
    (
        *_FRACTIONS,
        _by_row(
            "proportion_low",
            ("sample", "cell_type"),
            "float32",
            "fraction of cells",
            "lower end of the interval that holds the true proportion at the attribute's level",
            optional=True,
        ),
        _by_row(
            "proportion_high",
            ("sample", "cell_type"),
            "float32",
            "fraction of cells",
            "upper end of the same interval",
            optional=True,
        ),
        _profile("gene", "float16"),
        _by_type_and_gene(
            "profile_sd",
            "gene",
            "standard deviation of the true profile around the predicted one",
            "float16",
            optional=True,
        ),
        _by_row(
            "domain_distance",
            ("sample",),
            "float32",
            "1 at the limit",
            "how unlike the training samples this one is; above 1 it is flagged",
            optional=True,
        ),
        _by_row(
            "missing_type",
            ("sample",),
            "float32",
            "1 at the limit",
            "how much of the sample no type of the reference explains; above 1 it is flagged",
            optional=True,
        ),
        _by_row(
            "reconstruction_error",
            ("sample",),
            "float32",
            "log2(1 + CPM)",
            "RMSE of the recombined profiles against the sample over measured panel genes",
        ),
        _by_row("gene_coverage", ("sample",), "float32", "fraction", "share of the panel measured"),
        _whole(
            "skill",
            ("cell_type", "gene"),
            "float32",
            "1 - MSE / MSE of the training mean",
            "held-out skill of the model: mask what is not predictable",
        ),
        _whole(
            "spread",
            ("cell_type", "gene"),
            "float32",
            "log2(1 + CPM)",
            "root mean squared error of the model's profiles on held-out samples",
        ),
        _whole(
            "alignment",
            ("input_gene",),
            "float32",
            "log2(2 + CPM)",
            "what the cohort's samples show above the training data's; taken off before predicting",
        ),
        _whole(
            "profile_shift",
            ("cell_type", "gene"),
            "float32",
            "log2(1 + CPM)",
            "what the cohort's profiles show above the training data's; added to the expected ones",
        ),
    ),
)

COMPOSITION = StoreSpec(
    "composition",
    "sample",
    (
        _by_row(
            "proportion",
            ("sample", "cell_type"),
            "float32",
            "fraction, of what the source says",
            "rows sum to 1",
        ),
        _by_row("patient", ("sample",), "str", "", "patient of each sample", optional=True),
    ),
)

SUBTYPES = StoreSpec(
    "subtypes",
    "patient",
    (
        _by_row("sample", ("patient",), "str", "", "the sample that stands for the patient"),
        _by_row("duration", ("patient",), "float64", "days", "time to the event or censoring"),
        _by_row("event_observed", ("patient",), "int8", "", "1: the event, 0: censored"),
        _by_row(
            "state",
            ("patient", "cell_type"),
            "int8",
            "",
            "state of each cell type: 0 or 1; -1 where the type is absent",
        ),
        _by_row(
            "state_strength",
            ("patient", "cell_type"),
            "float32",
            "0 to 1",
            "how clearly the patient is in that state; NaN where the type is absent",
        ),
        _by_row(
            "member",
            ("patient", "definition"),
            "int8",
            "",
            "1: has all states of the definition, 0: has not, -1: left out of it",
        ),
        _whole("pick", ("definition", "cell_type"), "int8", "", "state asked for; -1: any"),
        _whole("p", ("definition",), "float64", "", "log-rank p; NaN where it was not tested"),
        _whole("q", ("definition",), "float64", "", "Benjamini-Hochberg adjusted p"),
        _whole(
            "p_max_t",
            ("definition",),
            "float64",
            "",
            "permutation p of the largest statistic of the whole search",
        ),
        _whole("z", ("definition",), "float64", "", "log-rank z; above 0: more events inside"),
        _by_row(
            "component_group",
            ("patient", "component"),
            "int8",
            "",
            "consensus of similar definitions: 0 or 1; 2 where they do not agree",
            optional=True,
        ),
        _by_row(
            "group",
            ("patient",),
            "int8",
            "",
            "0: most favourable, 1: intermediate, 2: most unfavourable",
            optional=True,
        ),
        _by_row(
            "group_margin",
            ("patient",),
            "float32",
            "0 to 1",
            "lead of the winning votes",
            optional=True,
        ),
    ),
)

SPECS = {spec.kind: spec for spec in (COHORT, PSEUDOBULK, PROFILE, COMPOSITION, SUBTYPES)}
