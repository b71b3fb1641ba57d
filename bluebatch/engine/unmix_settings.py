"""What decides an unmixing model, beside how its networks are fitted, and what that costs."""

from typing import Self

import pydantic

from bluebatch.engine import stream, task
from bluebatch.expression import baselines
from bluebatch.expression import mrna as mrna_content
from bluebatch.expression import panel as gene_panel
from bluebatch.models import unmix as unmixer

# Whose results are held at once when a model is scored.
JUDGED_ROWS = 64


class Settings(pydantic.BaseModel):
    """What decides a model of this kind.

    Parameters
    ----------
    panel : gene_panel.PanelSettings
        Genes.
    mrna : mrna_content.MrnaSettings
        Which fraction is learnt.
    model : unmixer.ModelSettings
        Networks.
    anchor : baselines.AnchorSettings
        What the profiles start from.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    panel: gene_panel.PanelSettings = gene_panel.PanelSettings()
    mrna: mrna_content.MrnaSettings = mrna_content.MrnaSettings()
    model: unmixer.ModelSettings = unmixer.ModelSettings()
    anchor: baselines.AnchorSettings = baselines.AnchorSettings()

    @pydantic.model_validator(mode="after")
    def _check_output(self) -> Self:
        if self.anchor.kind != "none" and self.model.output == "relu":
            raise ValueError(
                '[model] output = "relu" never learns on an anchor, '
                'needed: output = "linear", or [anchor] kind = "none"'
            )
        return self


def held_bytes(settings: Settings, sizes: unmixer.Sizes) -> task.Held:
    """Price the baselines and scores of a model.

    Parameters
    ----------
    settings : Settings
        With the number of components.
    sizes : unmixer.Sizes
        Lengths of the axes.

    Returns
    -------
    task.Held
        Bytes; the training cells are not among them.
    """
    n_components, n_rows = settings.anchor.n_components, settings.anchor.component_rows
    n_terms = n_components + 5
    sample = 4 * sizes.n_parts * sizes.n_outputs
    # Two ridges, once more in each network and while they are handed over; curves and means.
    arrays = (5 * n_components + 28) * sample + 4 * n_components * sizes.n_inputs
    # Rows of which components are sought, joined in float32 and centred in float64.
    axes = 24 * n_rows * sizes.n_inputs
    # Products of terms of training and validation rows, then both ridges' coefficients.
    sums = 16 * sizes.n_parts * n_terms * (n_terms + sizes.n_outputs) + 4 * n_components * sample
    block = stream.BLOCK_ROWS * (sample + 32 * sizes.n_outputs + 12 * sizes.n_inputs)
    # Truth, predictions, recombined profiles, their deviations, and float64 of one type.
    judging = 11 * JUDGED_ROWS * sample
    return task.Held(arrays=arrays, learning=max(axes, sums) + block, judging=judging)
