"""``htc db doctor``: every test of a database, in the order in which causes hide behind one another."""
