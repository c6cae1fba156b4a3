"""Pictures of one workload's limits: pure functions of a scene and a limit, used by the LimitExplorer."""
