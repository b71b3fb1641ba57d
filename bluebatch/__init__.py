"""Cell-type proportions and cell-type expression profiles of bulk RNA-seq cohorts."""
