"""Tables of facts that suites are made of; see `htc.validation.suites`."""
