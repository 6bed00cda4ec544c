"""Training on Spark, for ratings that outgrow a machine: a process of its own speaks to it."""
