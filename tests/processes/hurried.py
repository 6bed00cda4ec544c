"""`matinee serve` with short times: python -m tests.processes.hurried PORT DESCRIPTORS"""

import resource
import sys
from functools import partial
from typing import Any

import uvicorn

from app.api.edge.bodies import Bodies, Pace
from app.api.edge.responses import Responses
from app.cli import server
from app.config import Settings
from app.main import create_app

SECONDS = 1.0
"""Instead of 10 and 30."""


def _hurried(layer: Any) -> Any:
    kind = getattr(layer, "func", layer)
    if kind is Bodies:
        return partial(layer, pace=Pace(grace=SECONDS, longest=2 * SECONDS, window=SECONDS))
    return partial(layer, standstill=SECONDS) if kind is Responses else layer


def main(port: int, descriptors: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(64, descriptors), descriptors))
    server.Protocol.limits = server.Limits(head=SECONDS, standstill=SECONDS, look_every=0.1)
    settings = Settings.from_environment()
    app = create_app(settings)
    options: dict[str, Any] = app.user_middleware[0].kwargs
    options["layers"] = [_hurried(layer) for layer in options["layers"]]
    server.Server(uvicorn.Config(**server.options(settings) | {"app": app}, port=port)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
