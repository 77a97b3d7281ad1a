"""What `htc evidence verify` recomputes, a file a subject. Each gives checks and raises nothing."""
