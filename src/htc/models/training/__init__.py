"""Training and scoring of the models; needs the extra ``[train]``."""
