"""Join the clinical tables of TCGA-LAML and of TARGET-AML as the example uses them.

    python tables.py DATA OUT

Writes ``tcga.csv`` and ``target.csv`` with the columns patient, time (days), event, age, sex, risk
(cytogenetic) and fab, spelt alike in both.
"""

import pathlib
import sys

import pandas as pd

RISK = {
    **{"Good": "favourable", "Intermediate": "intermediate", "Poor": "adverse"},
    **{"Low": "favourable", "Standard": "intermediate", "High": "adverse"},
}


def tcga(data: pathlib.Path) -> pd.DataFrame:
    """Take survival from the published collection, and FAB and risk from the consortium."""
    survival = pd.read_csv(data / "clinical/aml_tcga_beat_gse6891_survival.csv")
    survival = survival[survival["cohort"] == "TCGA"][["sample", "time", "event", "age"]]
    more = pd.read_csv(data / "clinical/tcga_laml_clinical.csv")
    joined = survival.merge(more[["sample", "sex", "fab", "risk_cyto"]], on="sample", how="left")
    return joined.rename(columns={"sample": "patient", "risk_cyto": "risk"})


def target(data: pathlib.Path) -> pd.DataFrame:
    """Take the paediatric cohort's own table."""
    table = pd.read_csv(data / "clinical/target_aml_clinical.csv")
    table["age"] = (table["age_days"] / 365.25).round(1)
    table = table.rename(columns={"sample": "patient", "risk_group": "risk"})
    return table[["patient", "time", "event", "age", "sex", "fab", "risk"]]


def main() -> None:
    """Write both tables."""
    data, out = map(pathlib.Path, sys.argv[1:])
    for name, table in (("tcga", tcga(data)), ("target", target(data))):
        table["risk"] = table["risk"].map(RISK)
        for column in ("sex", "fab"):
            table[column] = table[column].str.lower().str.split().str[0]
        table.to_csv(out / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
