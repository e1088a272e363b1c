"""`make bench`: modelcast beside what else serves such models, in one run on one machine."""
