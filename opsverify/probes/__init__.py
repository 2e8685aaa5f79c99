"""One surface each, for any system: how it is asked, and what its refusals are called."""
