"""Numbers on genes: normalisation, panels, mixtures, baselines, scores."""
