"""From single cells to labelled pseudobulk stores."""
