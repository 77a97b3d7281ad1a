"""What every request passes before a route sees it: who sent it, from where, how large, how often."""
