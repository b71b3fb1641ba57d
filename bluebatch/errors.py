"""The tree of everything a user can be told.

BluebatchError                 exit code 1, one message: where, found against needed, what to do
├── ConfigError                a setting that is unknown, missing or out of range
├── InputFileError             a file or folder that cannot be read as what it was given for
│   ├── MissingInputError      nothing is there
│   └── ForeignStoreError      a store of another kind, format version or maker
├── UnreachableError           a bucket or server that refuses, does not answer or is not known
├── OutputExistsError          something else stands at the output path
├── ValuesError                NaN, negative, infinite, logged or textual values
├── LabelMismatchError         genes, samples, cell types or columns that do not match
├── ChangedInputError          an input changed since the run began
├── TooFewCellsError           a kept cell type, or a split, without enough cells
├── ResourceError              memory, precision or a device that is not to be had
└── IncompleteError            exit code 3: stopped early, can be resumed
    ├── InterruptedRunError    Ctrl-C or SIGTERM
    ├── ClaimedError           another process is writing the same partition
    └── DiskFullError          no space left
"""


class BluebatchError(Exception):
    """An error that a user can act on; its message is all that is shown."""

    exit_code = 1

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ConfigError(BluebatchError, ValueError):
    """A setting is unknown, missing or out of range."""


class InputFileError(BluebatchError, ValueError):
    """A file or folder cannot be read as what it was given for."""


class MissingInputError(InputFileError, FileNotFoundError):
    """Nothing lies at the path given."""


class ForeignStoreError(InputFileError):
    """A store or model folder is of another kind, format version or maker."""


class UnreachableError(BluebatchError, OSError):
    """A place elsewhere refuses, does not answer, or is of a scheme that is not known."""


class OutputExistsError(BluebatchError, FileExistsError):
    """Something that this run did not make stands at the output path."""


class ValuesError(BluebatchError, ValueError):
    """Values are missing, negative, infinite, logged or not numbers."""


class LabelMismatchError(BluebatchError, LookupError):
    """Genes, samples, cell types or columns do not match."""


class ChangedInputError(BluebatchError, RuntimeError):
    """An input changed since the run that is being resumed began."""


class TooFewCellsError(BluebatchError, ValueError):
    """A kept cell type, or one of its splits, lacks cells."""


class ResourceError(BluebatchError, RuntimeError):
    """Memory, a precision or a device is not to be had."""


class IncompleteError(BluebatchError, RuntimeError):
    """A run stopped early; running the same command again resumes it."""

    exit_code = 3


class InterruptedRunError(IncompleteError):
    """Ctrl-C or SIGTERM stopped the run."""


class ClaimedError(IncompleteError):
    """Another process is writing the same partition."""


class DiskFullError(IncompleteError, OSError):
    """The disk has no space left."""
