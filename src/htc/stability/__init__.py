"""Would this crystal exist: interatomic potentials, relaxation, phonons, and the distance to the hull."""
