"""Which task stands behind each kind of model: a new kind is one line here."""

from bluebatch import errors
from bluebatch.engine import task, unmix

KINDS: dict[str, type[task.Task]] = {"unmix": unmix.Task}


def find(kind: str) -> type[task.Task]:
    """Look the task of a kind of model up.

    Parameters
    ----------
    kind : str
        ``[model] kind`` of a configuration, or ``kind`` of a model's card.

    Returns
    -------
    type of task.Task
        Its class; ``Task(card, arrays)`` restores a trained one.

    Raises
    ------
    errors.ForeignStoreError
        If no such kind is known.
    """
    try:
        return KINDS[kind]
    except KeyError:
        raise errors.ForeignStoreError(
            f"model: is of kind {kind!r}, needed: {' or '.join(KINDS)}. "
            "Use the version of bluebatch that made it."
        ) from None
