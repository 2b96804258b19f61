"""The engine: a worker process that alone opens a project's database and runs only checked statements."""

from ambergate_extension.engine.process import EngineFailure, EngineProcess, EngineStopped

__all__ = ["EngineFailure", "EngineProcess", "EngineStopped"]
